"""The wire contract between kernel, server and browser.

Standard library only, and without I/O: the server, the kernel and the tests all import this one
package, and `js/src/protocol.ts` with `record.ts` and `frames.ts` is its twin. The frames in
`tests/data/protocol/` hold the two together.

Two exchanges are described here:

- a kernel *reports* the whole state of a job with ``PUT api/jobs/<taskId>`` (`decode_report`) and
  gets back what the user asked for (`Control`);
- a browser *subscribes* over the WebSocket (`decode_client_message`) and is told of changes
  (`hello`, `subscribed`, `event`, `error`, `pong`).
"""

from progresswidget.protocol.decoding import MalformedError, encode, is_task_id
from progresswidget.protocol.fields import Field, Fields
from progresswidget.protocol.files import (
    Fingerprint,
    Part,
    Place,
    Probe,
    decode_place,
    is_part_name,
)
from progresswidget.protocol.limits import (
    MAX_COUNT,
    MAX_EPOCH,
    MAX_FRAME,
    MAX_NAME,
    MAX_PATH,
    MAX_REPORT,
    MAX_SUBSCRIPTIONS,
    MAX_TEXT,
)
from progresswidget.protocol.messages import (
    encode_event,
    encode_subscribed,
    error,
    event,
    hello,
    pong,
    removed,
    subscribed,
    transfer_update,
)
from progresswidget.protocol.reports import (
    LATER_FIELDS,
    ORDER_FIELDS,
    PRIVATE_FIELDS,
    RECORD_FIELDS,
    REPORT_FIELDS,
    Control,
    decode_order,
    decode_report,
    queued,
)
from progresswidget.protocol.subscriptions import (
    ClientMessage,
    Ping,
    Position,
    Subscribe,
    Unsubscribe,
    decode_client_message,
)
from progresswidget.protocol.words import (
    ACTIONS,
    ACTIVE,
    AUTHORIZATION_SCHEME,
    CLOSE_FORBIDDEN,
    CLOSE_MALFORMED,
    CLOSE_RESTART,
    CLOSE_SILENT,
    CLOSE_SLOW,
    CLOSE_VERSION,
    ENDPOINT_VARIABLE,
    JOB_MIMETYPE,
    KERNEL_SECRET_VARIABLE,
    KERNEL_URL_VARIABLE,
    PHASES,
    RECEIPT_MIMETYPE,
    STATUSES,
    SUBPROTOCOL,
    TERMINAL,
    Action,
    Json,
    Status,
)

__all__ = [
    "ACTIONS",
    "ACTIVE",
    "AUTHORIZATION_SCHEME",
    "CLOSE_FORBIDDEN",
    "CLOSE_MALFORMED",
    "CLOSE_RESTART",
    "CLOSE_SILENT",
    "CLOSE_SLOW",
    "CLOSE_VERSION",
    "ENDPOINT_VARIABLE",
    "JOB_MIMETYPE",
    "KERNEL_SECRET_VARIABLE",
    "KERNEL_URL_VARIABLE",
    "LATER_FIELDS",
    "MAX_COUNT",
    "MAX_EPOCH",
    "MAX_FRAME",
    "MAX_NAME",
    "MAX_PATH",
    "MAX_REPORT",
    "MAX_SUBSCRIPTIONS",
    "MAX_TEXT",
    "ORDER_FIELDS",
    "PHASES",
    "PRIVATE_FIELDS",
    "RECEIPT_MIMETYPE",
    "RECORD_FIELDS",
    "REPORT_FIELDS",
    "STATUSES",
    "SUBPROTOCOL",
    "TERMINAL",
    "Action",
    "ClientMessage",
    "Control",
    "Field",
    "Fields",
    "Fingerprint",
    "Json",
    "MalformedError",
    "Part",
    "Ping",
    "Place",
    "Position",
    "Probe",
    "Status",
    "Subscribe",
    "Unsubscribe",
    "decode_client_message",
    "decode_order",
    "decode_place",
    "decode_report",
    "encode",
    "encode_event",
    "encode_subscribed",
    "error",
    "event",
    "hello",
    "is_part_name",
    "is_task_id",
    "pong",
    "queued",
    "removed",
    "subscribed",
    "transfer_update",
]

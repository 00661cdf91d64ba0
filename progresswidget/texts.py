"""What the kernel side says to a person: one table a language, and the numbers in it.

The browser has its own twin in `js/src/i18n/`. Texts that are saved in a notebook are English
unless ``PROGRESSWIDGET_LANGUAGE`` says otherwise, so that a notebook says the same on every
machine and nbval can compare it; what goes to a terminal follows the locale.
"""

from __future__ import annotations

import os
from typing import Final, Literal, TypeAlias

Table: TypeAlias = dict[str, str]
Things: TypeAlias = Literal["rows", "columns", "files", "counted loops"]

LANGUAGE_VARIABLE: Final = "PROGRESSWIDGET_LANGUAGE"

DEFAULT_UNIT: Final = "it"
"""What a loop counts of which nobody has said it; it tells nothing."""
LOOP: Final = "loop"
"""What a group counts that makes no files."""

ENGLISH: Final[Table] = {
    "title": "Export to {name}",
    "title download": "Download of {name}",
    "title upload": "Upload of {name}",
    "progress": "Progress",
    "title group": "{name}",
    "receipt": "{name}: {rows} × {columns}, {format}",
    "receipt group": "{name}: {rows}",
    "title task": "{name}",
    "receipt task": "{name}: {rows}",
    "unfinished": "{name}: stopped at {rows}",
    "loop": "Loop",
    "processes": "Worker processes",
    "by an error": "An exception ended it.",
    "process gone": "The process that was at work ended.",
    "workers died": "{dead} of {count} workers died",
    "halted task": "{name} was cancelled.",
    "keyboard": "Stopped from the notebook.",
    "more": "and {count} more",
    "receipt download": "{name}: {size} received",
    "receipt upload": "{name}: {size} sent",
    "did write": "written",
    "did send": "sent",
    "did publish": "published",
    "and then": ", ",
    "queued": "waiting",
    "starting": "starting",
    "hashing": "comparing",
    "reading": "reading",
    "writing": "writing",
    "compressing": "compressing",
    "finishing": "finishing",
    "connecting": "connecting",
    "waiting": "waiting for the server",
    "receiving": "receiving",
    "sending": "sending",
    "verifying": "verifying",
    "paused": "paused",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
    "state": "{state}: {parts}",
    "row": "{count} row",
    "rows": "{count} rows",
    "file": "{count} file",
    "files": "{count} files",
    "counted loop": "{count} loop",
    "counted loops": "{count} loops",
    "column": "{count} column",
    "columns": "{count} columns",
    "part_of": "{part} of {total}",
    "read": "{rows} read",
    "rate": "{amount}/s",
    "left": "{time} left",
    "took": "{time}",
    "halted": "The export to {name} was stopped.",
    "halted download": "The download of {name} was stopped.",
    "halted upload": "The upload of {name} was stopped.",
    "halted group": "{name} was cancelled.",
    "stopped": (
        "Stopped after {rows}; {name} was not written, and no part of it was left behind. {again}"
    ),
    "stopped download": "Stopped after {rows}; {name} is not complete. {again}",
    "stopped upload": "Stopped after {rows}; {name} is not complete on the server. {again}",
    "stopped_late": "Stopped, but {name} was complete already: {rows}.",
    "again": "Run the cell again to export from the beginning.",
    "again without a cell": "Run it again to export from the beginning.",
    "again download": "Run it again: it goes on where it stopped.",
    "again upload": "Run it again: it goes on where it stopped.",
    "anew": "Nothing of it is kept: run it again to begin anew.",
    "again_stream": "The stream has been read in part: open it anew, and export that.",
    "leaving": "Waiting for the export to {name}; Ctrl-C cancels it.",
    "leaving download": "Waiting for the download of {name}; Ctrl-C stops it.",
    "leaving upload": "Waiting for the upload of {name}; Ctrl-C stops it.",
}

CHINESE: Final[Table] = {
    "title": "导出到 {name}",
    "title download": "下载 {name}",
    "title upload": "上传 {name}",
    "progress": "进度",
    "title group": "{name}",
    "receipt": "{name}：{rows} × {columns}，{format}",
    "receipt group": "{name}：{rows}",
    "title task": "{name}",
    "receipt task": "{name}：{rows}",
    "unfinished": "{name}：停在 {rows}",
    "loop": "循环",
    "processes": "工作进程",
    "by an error": "因异常而结束。",
    "process gone": "执行任务的进程已结束。",
    "workers died": "{count} 个工作进程中有 {dead} 个已意外结束",
    "halted task": "{name} 已取消。",
    "keyboard": "已在笔记本中停止。",
    "more": "另有 {count} 个",
    "receipt download": "{name}：已接收 {size}",
    "receipt upload": "{name}：已发送 {size}",
    "did write": "已写入",
    "did send": "已发送",
    "did publish": "已发布",
    "and then": "、",
    "queued": "等待中",
    "starting": "正在启动",
    "hashing": "正在比对",
    "reading": "正在读取",
    "writing": "正在写入",
    "compressing": "正在压缩",
    "finishing": "正在收尾",
    "connecting": "正在连接",
    "waiting": "正在等待服务器",
    "receiving": "正在接收",
    "sending": "正在发送",
    "verifying": "正在校验",
    "paused": "已暂停",
    "done": "已完成",
    "failed": "失败",
    "cancelled": "已取消",
    "interrupted": "已中断",
    "state": "{state}：{parts}",
    "row": "{count} 行",
    "rows": "{count} 行",
    "file": "{count} 个文件",
    "files": "{count} 个文件",
    "counted loop": "{count} 个循环",
    "counted loops": "{count} 个循环",
    "column": "{count} 列",
    "columns": "{count} 列",
    "part_of": "{part} / {total}",
    "read": "已读取 {rows}",
    "rate": "{amount}/秒",
    "left": "剩余 {time}",
    "took": "{time}",
    "halted": "导出到 {name} 已停止。",
    "halted download": "{name} 的下载已停止。",
    "halted upload": "{name} 的上传已停止。",
    "halted group": "{name} 已取消。",
    "stopped": "已在 {rows} 处停止；没有写出 {name}，也没有留下残余文件。{again}",
    "stopped download": "已在 {rows} 处停止；{name} 尚不完整。{again}",
    "stopped upload": "已在 {rows} 处停止；服务器上的 {name} 尚不完整。{again}",
    "stopped_late": "已停止，但 {name} 此前已完整：{rows}。",
    "again": "重新运行该单元格即可从头导出。",
    "again without a cell": "再次运行即可从头导出。",
    "again download": "再次运行即可从停止处继续。",
    "again upload": "再次运行即可从停止处继续。",
    "anew": "没有保留任何内容：再次运行即从头开始。",
    "again_stream": "数据流已被部分读取：请重新打开它，再次导出。",
    "leaving": "正在等待导出到 {name} 完成；按 Ctrl-C 可取消。",
    "leaving download": "正在等待 {name} 下载完成；按 Ctrl-C 可停止。",
    "leaving upload": "正在等待 {name} 上传完成；按 Ctrl-C 可停止。",
}

CHINESE_ERRORS: Final[Table] = {
    "unsupported-source": "给出的对象不是可以导出的表格。",
    "unsupported-format": "没有与该文件名后缀或格式名对应的写入器。",
    "bad-option": "某个选项不存在，或者它的值不被接受。",
    "bad-column": "某一列的名称、类型或值无法写入该格式。",
    "bad-destination": "无法在指定位置写入文件。",
    "destination-exists": "文件已存在，且未允许覆盖。",
    "destination-busy": "另一个导出正在写入该文件。",
    "lease-lost": "该文件已由另一个导出接管。",
    "source-failed": "读取数据时出错。",
    "source-changed": "读取期间数据发生了变化。",
    "missing-extra": "缺少一个可选的程序库。",
    "server-stopped": "服务器已关闭。",
    "memory-limit": "占用的内存超过了服务器允许的上限。",
    "time-limit": "所用的时间超过了服务器允许的上限。",
    "not-sent": "文件写在内核所在的机器上，未能发送到服务器。",
    "bad-state": "任务目前的状态下没有这样的结果。",
    "no-link": "无法建立或撤销该文件的链接。",
    "transfer-failed": "传输失败。",
    "transfer-refused": "服务器拒绝了请求。",
    "digest-wrong": "收到的内容与校验值不符。",
    "loop-cancelled": "循环已取消。",
    "delivery-lost": "另一个进程已接管这次交付。",
    "failed": "程序出现了意料之外的错误。",
}
"""What an error is about, by its code. Its own words, which are English, tell column and row."""


def failure(table: Table, code: str, words: str) -> str:
    """Return what is said of an error: its own words, in Chinese below a sentence about them."""
    about = CHINESE_ERRORS.get(code) if table is CHINESE else None
    return words if about is None else f"{about}\n{words}"


def terminal_table() -> Table:
    """Return the texts for a terminal, by the locale's usual variables (POSIX.1-2017, 8.2)."""
    for variable in (LANGUAGE_VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable)
        if value:
            return CHINESE if value.lower().startswith("zh") else ENGLISH
    return ENGLISH


def saved_table() -> Table:
    """Return the texts that are saved in a notebook."""
    chosen = os.environ.get(LANGUAGE_VARIABLE, "")
    return CHINESE if chosen.lower().startswith("zh") else ENGLISH


def worded(table: Table, key: str, kind: str) -> str:
    """Return a text in its words for a kind of job, where it has any."""
    return table.get(f"{key} {kind}", table[key])


def amount(table: Table, kind: str, number: float, unit: str = "") -> str:
    """Return the amount of a kind of job: rows of an export, bytes of a transfer, steps of a loop.

    Parameters
    ----------
    unit
        What a loop counts, or a group.
    """
    if kind == "task" and unit != "B":
        return f"{decimal(number)} {'' if unit == DEFAULT_UNIT else unit}".rstrip()
    if kind == "group":
        return counted(table, "counted loops" if unit == LOOP else "files", number)
    return counted(table, "rows", number) if kind == "export" else size(number)


def progress(table: Table, kind: str, done: float, total: float | None, unit: str = "") -> str:
    """Return how much is done, and of how much where that is known and more."""
    text = amount(table, kind, done, unit)
    if total is None or done >= total:
        return text
    counts = kind in {"export", "group"} or (kind == "task" and unit != "B")
    part = decimal(done) if counts else text
    return table["part_of"].format(part=part, total=amount(table, kind, total, unit))


def counted(
    table: Table, things: Literal["rows", "columns", "files", "counted loops"], number: float
) -> str:
    """Return how many things there are: 336,776 rows, 1 column."""
    key = things[:-1] if round(number) == 1 else things
    return table[key].format(count=count(number))


def count(number: float) -> str:
    """Return a whole number with its thousands apart: 336,776."""
    return f"{round(number):,}"


def decimal(number: float) -> str:
    """Return a number with its thousands apart, and up to three decimals where it has any."""
    return f"{number:,.3f}".rstrip("0").rstrip(".")


def size(number: float) -> str:
    """Return a number of bytes in decimal units, as file managers show it: 33.1 MB."""
    value, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:  # noqa: PLR2004 - a kilobyte is 1000 bytes (IEC 80000-13)
            break
        value, unit = value / 1000, larger
    return f"{round(value)} B" if unit == "B" else f"{value:.1f} {unit}"


def duration(seconds: float) -> str:
    """Return a time as a clock shows it: 0.4 s, 12 s, 3:05, 1:02:45."""
    if seconds < 10:  # noqa: PLR2004 - below ten seconds a tenth still tells something
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

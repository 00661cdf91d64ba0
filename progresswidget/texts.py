"""What the kernel side says to a person: one table a language, and the numbers in it.

The browser has its own twin in `js/src/i18n.ts`. Texts that are saved in a notebook are English
unless ``PROGRESSWIDGET_LANGUAGE`` says otherwise, so that a notebook says the same on every
machine and nbval can compare it; what goes to a terminal follows the locale.
"""

from __future__ import annotations

import os
from typing import Final, TypeAlias

Table: TypeAlias = dict[str, str]

LANGUAGE_VARIABLE: Final = "PROGRESSWIDGET_LANGUAGE"

ENGLISH: Final[Table] = {
    "exporting": "Export to {name}",
    "receipt": "{name}: {rows} rows × {columns} columns, {format}",
    "queued": "waiting",
    "starting": "starting",
    "hashing": "comparing",
    "reading": "reading",
    "writing": "writing",
    "compressing": "compressing",
    "finishing": "finishing",
    "sending": "sending",
    "paused": "paused",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
    "rows": "{rows} rows",
    "rows_of": "{rows} of {total} rows",
    "rate": "{rate} rows/s",
    "left": "{time} left",
    "took": "{time}",
    "stopped": (
        "Stopped after {rows} rows; {name} was not written, and no part of it was left behind. "
        "{again}"
    ),
    "stopped_late": "Stopped, but {name} was complete already: {rows} rows.",
    "again": "Run the cell again to export from the beginning.",
    "again_stream": "The stream has been read in part: open it anew, and export that.",
    "leaving": "Waiting for the export to {name}; Ctrl-C cancels it.",
}

CHINESE: Final[Table] = {
    "exporting": "导出到 {name}",
    "receipt": "{name}：{rows} 行 × {columns} 列，{format}",
    "queued": "等待中",
    "starting": "正在启动",
    "hashing": "正在比对",
    "reading": "正在读取",
    "writing": "正在写入",
    "compressing": "正在压缩",
    "finishing": "正在收尾",
    "sending": "正在发送",
    "paused": "已暂停",
    "done": "已完成",
    "failed": "失败",
    "cancelled": "已取消",
    "interrupted": "已中断",
    "rows": "{rows} 行",
    "rows_of": "{rows} / {total} 行",
    "rate": "{rate} 行/秒",
    "left": "剩余 {time}",
    "took": "{time}",
    "stopped": "已在第 {rows} 行停止；没有写出 {name}，也没有留下残余文件。{again}",
    "stopped_late": "已停止，但 {name} 此前已完整写出：{rows} 行。",
    "again": "重新运行该单元格即可从头导出。",
    "again_stream": "数据流已被部分读取：请重新打开它，再次导出。",
    "leaving": "正在等待导出到 {name} 完成；按 Ctrl-C 可取消。",
}


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


def count(number: float) -> str:
    """Return a whole number with its thousands apart: 336,776."""
    return f"{round(number):,}"


def size(number: int) -> str:
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

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the manual from docs/directives.md: one HTML page, mod_nanomdm(8),
and what nanomdmctl says of itself.

    manual.py FOLDER [CHECKOUT]
"""

import html
import pathlib
import re
import subprocess
import sys

STYLE = """\
body{font:1rem/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;
padding:0 1rem;color:#1a1a1a;background:#fff}
code,pre{font:0.9rem ui-monospace,monospace}
pre{background:#f3f3f3;padding:.6rem;overflow:auto}
table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;
text-align:left;vertical-align:top;border-bottom:1px solid #ccc}
h2{margin-top:3rem;border-bottom:2px solid #888}h3{margin-top:2rem}
a{color:#0645ad}
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16181c}
pre{background:#23262b}a{color:#8ab4f8}td,th{border-color:#444}}
"""
INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*"
                    r"|\[([^]]+)\]\(([^)]+)\)")


# ---- Reading: the Markdown that the document is written in ----

def blocks(text):
    """(kind, content): heading, code, table, list, text."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        start = at
        at += 1
        if match := re.match(r"(#+) (.*)", line):
            yield "heading", (len(match[1]), match[2])
        elif line.startswith("```"):
            while at < len(lines) and not lines[at].startswith("```"):
                at += 1
            yield "code", "\n".join(lines[start + 1:at])
            at += 1
        elif line.startswith("|"):
            while at < len(lines) and lines[at].startswith("|"):
                at += 1
            yield "table", [cells(row) for row in lines[start:at]
                            if not re.fullmatch(r"[|\s:-]+", row)
                            or row.count(" ") > row.count("-")]
        elif re.match(r" *- ", line):
            while at < len(lines) and lines[at].strip():
                at += 1
            yield "list", items(lines[start:at])
        elif line.strip() and not line.startswith("<!--"):
            while at < len(lines) and lines[at].strip() \
                    and not re.match(r"[#|]|```", lines[at]):
                at += 1
            yield "text", " ".join(lines[start:at])


def cells(row):
    return [cell.strip().replace("\\|", "|") for cell
            in re.split(r"(?<!\\)\|", row.strip().strip("|"))]


def items(lines):
    """(depth, text) of each."""
    out = []
    for line in lines:
        if match := re.match(r"( *)- (.*)", line):
            out.append((len(match[1]) // 2, match[2]))
        else:
            depth, text = out.pop()
            out.append((depth, f"{text} {line.strip()}"))
    return out


def anchor(title):
    """As GitHub makes it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


# ---- HTML ----

def inline_html(text):
    def one(match):
        code, bold, italic, label, link = match.groups()
        if code:
            return f"<code>{html.escape(code)}</code>"
        if bold or italic:
            tag = "b" if bold else "i"
            return f"<{tag}>{inline_html(bold or italic)}</{tag}>"
        return (f'<a href="{html.escape(link, True)}">'
                f"{inline_html(label)}</a>")
    out, at = [], 0
    for match in INLINE.finditer(text):
        out += [html.escape(text[at:match.start()], False), one(match)]
        at = match.end()
    return "".join([*out, html.escape(text[at:], False)])


def to_html(kind, content):
    if kind == "heading":
        level, title = content
        return (f'<h{level} id="{anchor(title)}">{inline_html(title)}'
                f"</h{level}>")
    if kind == "code":
        return f"<pre>{html.escape(content, False)}</pre>"
    if kind == "table":
        rows = [row for row in content if any(row)]
        return "<table>" + "".join(
            "<tr>" + "".join(
                f"<{'td' if i else 'th'}>{inline_html(cell)}"
                f"</{'td' if i else 'th'}>" for i, cell in enumerate(row))
            + "</tr>\n" for row in rows) + "</table>"
    if kind == "list":
        out, depth = [], -1
        for its, text in content:
            if its > depth:
                out.append("<ul>" * (its - depth))
            else:
                out.append("</li>" + "</ul></li>" * (depth - its))
            out.append(f"<li>{inline_html(text)}")
            depth = its
        return "\n".join(out) + "</li></ul>" * (depth + 1)
    return f"<p>{inline_html(content)}</p>"


def page(text, version):
    body = "\n".join(to_html(*block) for block in blocks(text))
    return ('<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>mod_nanomdm {version}: directives</title>"
            f"<style>{STYLE}</style></head>\n<body><main>\n{body}\n"
            "</main></body></html>\n")


# ---- man ----

def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def inline_man(text):
    def one(match):
        code, bold, italic, label, _ = match.groups()
        if code or bold:
            return f"\\fB{roff(code or bold)}\\fR"
        return f"\\fI{roff(italic)}\\fR" if italic else inline_man(label)
    out, at = [], 0
    for match in INLINE.finditer(text):
        out += [roff(text[at:match.start()]) if at or match.start()
                else "", one(match)]
        at = match.end()
    return "".join([*out, roff(text[at:])])


def to_man(kind, content):
    if kind == "heading":
        level, title = content
        if level == 1:
            return ""
        return (f".SH {roff(title.upper())}" if level == 2
                else f".SS {roff(title)}")
    if kind == "code":
        return ".PP\n.nf\n.RS 4\n" + roff(content) + "\n.RE\n.fi"
    if kind == "table":
        return "\n".join(
            f".TP\n\\fB{inline_man(row[0]) or '—'}\\fR\n"
            + ("; ".join(inline_man(cell) for cell in row[1:]) or "—")
            for row in content if any(row))
    if kind == "list":
        return "\n".join(f".IP \\(bu 2\n{inline_man(text)}"
                         for _, text in content)
    return ".PP\n" + inline_man(content)


def manual_page(text, version):
    text = re.sub(r"<!-- contents -->\n(?: *- .*\n)*", "", text)
    head = [f'.TH MOD_NANOMDM 8 "" "mod_nanomdm {version}"'
            ' "System Administration"',
            ".SH NAME\nmod_nanomdm \\- Apple MDM server in Apache httpd",
            ".SH DESCRIPTION"]
    tail = [".SH SEE ALSO\n.BR nanomdmctl (1),\n.BR apache2 (8)"]
    lines = [to_man(*block) for block in blocks(text)]
    return "\n".join(line for line in [*head, *lines, *tail] if line) + "\n"


def main():
    out = pathlib.Path(sys.argv[1])
    root = pathlib.Path(sys.argv[2] if len(sys.argv) > 2
                        else pathlib.Path(__file__).parents[1])
    text = (root / "docs/directives.md").read_text()
    version = re.search(r'NMDM_VERSION "(.*)"', (
        root / "src/base/version.h").read_text())[1]
    out.mkdir(parents=True, exist_ok=True)
    (out / "directives.html").write_text(page(text, version))
    (out / "mod_nanomdm.8").write_text(manual_page(text, version))
    for name, kind in (("nanomdmctl.1", "man"), ("nanomdmctl.bash", "bash"),
                       ("_nanomdmctl", "zsh")):
        said = subprocess.run(
            [sys.executable, root / "tools/nanomdmctl", "texts", kind],
            check=True, stdout=subprocess.PIPE).stdout
        (out / name).write_bytes(said)


if __name__ == "__main__":
    main()

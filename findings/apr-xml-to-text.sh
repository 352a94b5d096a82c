#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# APR-util parses XML into a tree (apr_xml_parser_done) and "converts an XML
# element tree to flat text" (apr_xml_to_text).
#
# Expected: <string>a &lt; b &amp; c</string> comes out with the references.
# Observed: it comes out as <string>a < b & c</string>, which no parser reads,
#   APR-util's included. The text must be escaped in the tree first, by
#   apr_xml_quote_elem(), of which the description of apr_xml_to_text has no word
#   (libaprutil1 1.6.3-1+deb12u1).
set -u
VERSION=1.6.3-1+deb12u1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v gcc > /dev/null || { echo "needs gcc" >&2; exit 2; }
apt-get download "libaprutil1=$VERSION" "libaprutil1-dev=$VERSION" libapr1 \
    libapr1-dev > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download APR-util $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
lib=$(dirname "$(find "$work/root" -name 'libaprutil-1.so.0')")

cat > xml.c <<'C'
#include <apr_general.h>
#include <apr_xml.h>
#include <stdio.h>
#include <string.h>

static apr_xml_doc *parse(apr_pool_t *p, const char *text)
{
    apr_xml_parser *parser = apr_xml_parser_create(p);
    apr_xml_doc *doc = NULL;
    apr_status_t fed = apr_xml_parser_feed(parser, text, strlen(text));
    apr_status_t done = apr_xml_parser_done(parser, &doc);

    return fed || done ? NULL : doc;
}

static const char *to_text(apr_pool_t *p, apr_xml_doc *doc)
{
    const char *text;

    apr_xml_to_text(p, doc->root, APR_XML_X2T_FULL, NULL, NULL, &text, NULL);
    return text;
}

int main(void)
{
    static const char xml[] = "<string>a &lt; b &amp; c</string>";
    const char *plain, *quoted;
    apr_pool_t *p;
    apr_xml_doc *doc;

    apr_initialize();
    apr_pool_create(&p, NULL);
    doc = parse(p, xml);
    if (!doc)
        return 2;
    plain = to_text(p, doc);
    apr_xml_quote_elem(p, doc->root);
    quoted = to_text(p, doc);
    printf("expected: %s\n", xml);
    printf("observed: %s, %s\n", plain,
           parse(p, plain) ? "can be parsed" : "cannot be parsed");
    printf("observed: after apr_xml_quote_elem: %s\n", quoted);
    return !parse(p, plain) && strcmp(quoted, xml) == 0 ? 0 : 1;
}
C
gcc -D_GNU_SOURCE -Iroot/usr/include/apr-1.0 -o xml xml.c \
    "$lib/libaprutil-1.so.0" "$lib/libapr-1.so.0" || exit 2
LD_LIBRARY_PATH=$lib ./xml

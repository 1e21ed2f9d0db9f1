"""The reference page: whole in one request, safe to open, and complete."""

import base64
import copy
import hashlib
import itertools
import re
from html.parser import HTMLParser

import pytest

from reevit_server.app import describe
from reevit_server.web.reference import inline, page_of, prose
from tests.makers import Api

_VOID = {"meta", "wbr", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """What a browser would make of the page; fails where a tag is not closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        self.text.append(data)

    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.tags if attributes.get("id")]

    def hrefs(self) -> list[str]:
        return [attributes["href"] for _, attributes in self.tags if "href" in attributes]


@pytest.fixture(scope="module")
def document():
    return describe()


@pytest.fixture(scope="module")
def html(document):
    return page_of(document).body.decode()


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def operations_of(document):
    return [
        (method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


async def test_anyone_may_read_the_reference_and_it_may_load_nothing(api: Api):
    async with api.client() as client:
        response = await client.get("/docs")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    style = re.search(r"<style>(.*?)</style>", response.text, re.DOTALL)[1]
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{hashed}'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


def test_every_operation_has_a_heading_or_is_named_as_the_twin_of_one(document, page):
    headings = {attributes.get("id") for tag, attributes in page.tags if tag == "h3"}
    text = "".join(page.text)
    for _, path, operation in operations_of(document):
        name = operation["operationId"]
        if name.endswith("_by_external_id"):
            assert name.removesuffix("_by_external_id") in headings
            assert name not in headings
        else:
            assert name in headings
        assert path in text


def test_every_field_of_a_body_and_every_parameter_is_told(document, html):
    for _, _, operation in operations_of(document):
        name = operation["operationId"]
        if name.endswith("_by_external_id"):
            continue
        article = re.search(rf'<article aria-labelledby="{name}">.*?</article>', html, re.DOTALL)[0]
        told = "".join(Page(article).text)
        expected = {one["name"] for one in operation.get("parameters", ()) if "name" in one}
        if "requestBody" in operation:
            reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            expected |= set(document["components"]["schemas"][reference.rpartition("/")[2]]["properties"])
        expected |= {
            scope for needed in operation["security"] for scopes in needed.values() for scope in scopes
        }
        expected |= set(operation["responses"])
        assert {word for word in expected if word not in told} == set(), name


def test_every_link_on_the_page_leads_somewhere(page):
    ids = page.ids()
    assert len(ids) == len(set(ids))
    assert {href for href in page.hrefs() if not href.startswith("#")} == {"/openapi.json"}
    assert {href[1:] for href in page.hrefs() if href.startswith("#")} <= set(ids)


def test_the_page_runs_no_script_and_names_nobody_elses_address(html, page):
    assert "<script" not in html.lower()
    assert not [
        attribute for _, attributes in page.tags for attribute in attributes if attribute.startswith("on")
    ]
    assert not [1 for _, attributes in page.tags if "src" in attributes or "style" in attributes]
    assert set(re.findall(r"https?://[^/\s\"<]*", html)) == {
        "http://localhost:8000",
        "https://shop.example.com",
    }
    assert "url(" not in html
    assert "@import" not in html


def test_headings_go_down_one_step_at_a_time(page):
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))


def test_the_page_says_its_language_and_stays_small(html, page):
    assert ("html", {"lang": "en"}) in page.tags
    assert len(html.encode()) <= 6_000 * html.count("<article"), "for each operation"


def test_text_from_the_document_is_escaped_wherever_it_stands(document):
    poisoned = copy.deepcopy(document)
    attack = "<script>alert('&')</script>"
    poisoned["info"]["title"] = attack
    poisoned["info"]["description"] = f"{attack}\n\n- `{attack}`\n\n## {attack}\n\n{attack}"
    poisoned["tags"][0]["description"] = attack
    operation = poisoned["paths"]["/v1/customers"]["post"]
    operation["summary"] = operation["description"] = attack
    operation["responses"]["201"]["description"] = attack
    body = poisoned["components"]["schemas"]["CustomerCreate"]
    body["properties"]["name"]["description"] = attack
    body["examples"] = [{"name": attack}]
    html = page_of(poisoned).body.decode()
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(") >= 10
    Page(html)


def test_backticks_are_code_and_all_else_is_text():
    assert inline("a `<b>` & c") == "a <code>&lt;b&gt;</code> &amp; c"
    assert inline("one ` alone, and `two`") == "one <code> alone, and </code>two`"
    assert inline("") == ""


def test_blank_lines_part_paragraphs_and_dashes_make_lists():
    assert prose("one\nline\n\ntwo\n\n- `a`\n- <b>") == (
        "<p>one line</p>\n<p>two</p>\n<ul><li><code>a</code></li><li>&lt;b&gt;</li></ul>"
    )
    assert prose("") == ""


@pytest.mark.parametrize(
    ("operation", "lines"),
    [
        ("get_customer", ["curl http://localhost:8000/v1/customers/cus_", '-H "X-Reevit-Key: $KEY"</code>']),
        ("lookup_customer", ['curl "http://localhost:8000/v1/customers/lookup?external_id=usr_1234" \\']),
        ("delete_customer", ["curl -X DELETE http://localhost:8000/v1/customers/cus_"]),
        ("confirm_payment", ["curl -X POST http://localhost:8000/v1/payments/pay_"]),
        ("confirm_payment_intent", ["confirm-intent?client_secret=pay_01jd8w3v5qe2rvkz6n0c4m8x7a_secret_"]),
        ("healthz", ["curl http://localhost:8000/healthz</code>", "Needs no API key."]),
    ],
)
def test_an_example_can_be_pasted(html, operation, lines):
    article = re.search(rf'<article aria-labelledby="{operation}">.*?</article>', html, re.DOTALL)[0]
    for line in lines:
        assert line in article.replace("&#34;", '"')

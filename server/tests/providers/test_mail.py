"""Letters as they travel: what was given comes out at the other end, and nobody writes into a header."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reevit_server.providers import mail
from reevit_server.providers.sending import Attachment
from tests.providers.letters import HTML, LOGO, MESSAGE_ID, email
from tests.providers.mailserver import text_of

PDF = Attachment("INV-000042.pdf", "application/pdf", bytes(range(256)) * 20)
_BY_MAIL = {"exclude_categories": ("Cc", "Cs")}


def read(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=policy.default)


def structure(part: Message) -> str | tuple[Any, ...]:
    """The kinds of a letter's parts, one within the other."""
    if not part.is_multipart():
        return part.get_content_type()
    return (part.get_content_type(), *(structure(within) for within in part.get_payload()))


def test_a_letter_comes_out_as_it_was_given():
    content = mail.built(
        email(
            html="<p>Thank you, <b>Ada</b> ☕</p>\n",
            reply_to="support@shop.example.com",
            list_unsubscribe_url="https://shop.example.com/u/abc?x=1",
            attachments=(PDF,),
            written_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        )
    )
    letter = read(content)
    assert letter.items()[:8] == [
        ("Date", "Sun, 01 Mar 2026 12:00:00 +0000"),
        ("From", "Ama's Shop <hello@shop.example.com>"),
        ("To", "ada@example.com"),
        ("Reply-To", "support@shop.example.com"),
        ("Subject", "Your receipt"),
        ("Message-ID", MESSAGE_ID),
        ("List-Unsubscribe", "<https://shop.example.com/u/abc?x=1>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ]
    assert letter.get_content_type() == "multipart/mixed"
    alternative, attached = letter.iter_parts()
    text, html = alternative.iter_parts()
    assert alternative.get_content_type() == "multipart/alternative"
    assert (text.get_content_type(), text_of(text)) == ("text/plain", "Thank you, Ada.\n")
    assert (html.get_content_type(), text_of(html)) == ("text/html", "<p>Thank you, <b>Ada</b> ☕</p>\n")
    assert (attached.get_filename(), attached.get_content_type()) == ("INV-000042.pdf", "application/pdf")
    assert attached.get_content() == PDF.content


def test_a_picture_in_line_goes_with_the_html_and_a_file_with_the_letter():
    content = mail.built(email(html=HTML, attachments=(PDF, LOGO)))
    letter = read(content)
    assert structure(letter) == (
        "multipart/mixed",
        ("multipart/alternative", "text/plain", ("multipart/related", "text/html", "image/png")),
        "application/pdf",
    )
    related = next(part for part in letter.walk() if part.get_content_type() == "multipart/related")
    html, picture = related.iter_parts()
    assert related.get_param("type") == "text/html"
    assert text_of(html) == HTML
    assert picture["Content-ID"] == "<logo>"
    assert (picture.get_content_disposition(), picture.get_filename()) == ("inline", "logo.png")
    assert picture.get_content() == LOGO.content
    (file,) = letter.iter_attachments()
    assert (file.get_content_disposition(), file["Content-ID"]) == ("attachment", None)
    assert letter.get_body(("html", "plain")) is html
    assert content.isascii()
    assert max(len(line) for line in content.split(b"\r\n")) <= 78


def test_every_picture_stands_after_the_html_by_its_own_name():
    others = (LOGO._replace(content_id="x" * 60), LOGO._replace(content_id="A.b_c-9"))
    content = mail.built(email(html=HTML, attachments=(LOGO, *others)))
    letter = read(content)
    assert structure(letter) == (
        "multipart/alternative",
        "text/plain",
        ("multipart/related", "text/html", "image/png", "image/png", "image/png"),
    )
    for name in (b"logo", b"x" * 60, b"A.b_c-9"):
        assert b"\r\nContent-ID: <%s>\r\n" % name in content


@pytest.mark.parametrize(
    "content_id",
    [
        "",
        "x" * 61,
        "<logo>",
        "a b",
        "lögo",
        "logo\r\nX: y",
        "logo\n",
        "a>b",
        '"',
        "a%b",
        ".logo",
        "=?utf-8?q?x?=",
    ],
)
def test_a_picture_has_a_name_that_is_itself_in_header_and_html(content_id: str):
    picture = LOGO._replace(content_id=content_id)
    with pytest.raises(ValueError, match="content_id"):
        mail.built(email(html=HTML, attachments=(picture,)))


def test_a_letter_without_extras_has_none():
    letter = read(mail.built(email()))
    assert letter.get_content_type() == "text/plain"
    assert not {"Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post"} & set(letter.keys())


def test_one_click_is_promised_over_https_only():
    letter = read(mail.built(email(list_unsubscribe_url="http://localhost:8000/u/abc")))
    assert letter["List-Unsubscribe"] == "<http://localhost:8000/u/abc>"
    assert "List-Unsubscribe-Post" not in letter


@pytest.mark.parametrize(
    "subject",
    [
        "💸 Paid — merci, Ámá!",
        "قبضنا المبلغ",
        "\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe",
        "👩‍👩‍👧‍👦" * 90,
        "x" * mail.SUBJECT_LENGTH_MAX,
        " leading and trailing ",
        "two  blanks",
        "=?utf-8?q?hidden?=",
        "=?utf-8?q?a=0d=0aBcc:_thief@example.com?=",
        "line\N{LINE SEPARATOR}separator",
        "",
    ],
)
def test_a_subject_is_read_as_it_was_written(subject: str):
    content = mail.built(email(subject=subject, from_name=subject[:200]))
    letter = read(content)
    assert letter["Subject"] == subject
    name, address = parseaddr(
        message_from_bytes(content)["From"]
    )  # the new parser puts blanks between its words
    assert str(make_header(decode_header(name))) == subject[:200]
    assert address == "hello@shop.example.com"
    assert len(letter["To"].addresses) == 1
    assert "Bcc" not in letter
    head = content.partition(b"\r\n\r\n")[0]
    assert max(len(line) for line in head.split(b"\r\n")) <= 78


@given(st.text(st.characters(**_BY_MAIL), max_size=300), st.text(st.characters(**_BY_MAIL), max_size=200))
def test_no_text_gets_out_of_its_header(subject: str, name: str):
    content = mail.built(email(subject=subject, from_name=name))
    head = content.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line.startswith(b" ")]
    assert names[:5] == [b"Date", b"From", b"To", b"Subject", b"Message-ID"]
    assert {name.partition(b"-")[0] for name in names[5:]} == {b"MIME", b"Content"}
    assert content.isascii()
    assert read(content)["Subject"] == subject


@given(st.text(st.characters(exclude_characters='/\\"', **_BY_MAIL), min_size=1, max_size=200))
def test_no_file_gets_out_of_its_name(filename: str):
    try:
        content = mail.built(email(attachments=(Attachment(filename, "text/csv", b"a,b"),)))
    except ValueError:
        assert "=?" in filename or not filename.strip(" .")
        return
    part = content.split(b"text/csv", 1)[1].partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in part.split(b"\r\n")[1:] if not line.startswith(b" ")]
    assert names == [b"Content-Transfer-Encoding", b"Content-Disposition", b"MIME-Version"]


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=2000))
def test_any_text_travels_in_short_lines_of_ascii(text: str):
    content = mail.built(email(text=text, html=text))
    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    assert max(len(line) for line in content.split(b"\r\n")) <= 998


def test_a_long_text_is_read_as_it_was_written():
    text = "الفاتورة 💸 " * 5000 + "\n" + "x" * 5000 + "\n.\n..\n"
    assert text_of(read(mail.built(email(text=text)))) == text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"subject": "Hi\r\nBcc: thief@example.com"}, "subject has a control character"),
        ({"subject": "Hi\n"}, "subject has a control character"),
        ({"subject": "Hi\x85there"}, "subject has a control character"),
        ({"subject": "x" * 2**20}, "subject has more than 998"),
        ({"subject": "half \ud83d"}, "lone surrogate"),
        ({"from_name": "Ama\r\nSender: thief@example.com"}, "sender's name has a control character"),
        ({"from_name": "x" * 256}, "sender's name has more than 255"),
        ({"to": "ada@example.com\r\nBcc: thief@example.com"}, "recipient's address has a control"),
        ({"to": "ada@example.com, eve@example.com"}, "recipient's address is not one e-mail address"),
        ({"to": "ada@example.com;eve@example.com"}, "recipient's address is not one e-mail address"),
        ({"to": "Ada <ada@example.com>"}, "recipient's address is not one e-mail address"),
        ({"to": "<ada@example.com>"}, "recipient's address is not one e-mail address"),
        ({"to": '"a,b"@example.com'}, "recipient's address is not one e-mail address"),
        ({"to": "ada@example.com> SIZE=1"}, "recipient's address is not one e-mail address"),
        ({"to": ""}, "recipient's address is not one e-mail address"),
        ({"to": "a" * 2**20 + "@example.com"}, "recipient's address has more than 254"),
        ({"from_address": "a@x.com, b@x.com"}, "sender's address is not one e-mail address"),
        ({"reply_to": "a@x.com, b@x.com"}, "address for replies is not one e-mail address"),
        ({"message_id": "<a@b>\r\nX: y"}, "Message-ID"),
        ({"message_id": "a@b"}, "Message-ID"),
        ({"list_unsubscribe_url": "https://x.com/\r\nX: y"}, "unsubscribe"),
        ({"list_unsubscribe_url": "https://x.com/>, <mailto:a@x.com"}, "unsubscribe"),
        ({"list_unsubscribe_url": "javascript:alert(1)"}, "unsubscribe"),
        ({"text": "a\0b"}, "text has a NUL"),
        ({"html": "\udc00"}, "HTML has half a character"),
        ({"attachments": (Attachment("a\r\nX: y", "text/csv", b""),)}, "attachment's name has a control"),
        ({"attachments": (Attachment("../a.csv", "text/csv", b""),)}, "without slashes"),
        ({"attachments": (Attachment("=?utf-8?q?=0d=0aX:_y?=", "text/csv", b""),)}, "without slashes"),
        ({"attachments": (Attachment("a.csv", "text/csv\r\nX: y", b""),)}, "media type"),
        ({"attachments": (Attachment("a.eml", "message/rfc822", b""),)}, "media type"),
        ({"attachments": (Attachment("a", "multipart/mixed", b""),)}, "media type"),
        ({"attachments": (LOGO,)}, "no HTML that could show it"),
        ({"html": HTML, "attachments": (LOGO, LOGO)}, "same content_id"),
        ({"html": HTML, "attachments": (PDF._replace(content_id="logo"),)}, "Only a picture"),
    ],
)
def test_what_would_be_another_letter_is_refused_in_a_sentence(fields: dict[str, object], sentence: str):
    with pytest.raises(ValueError) as refusal:
        mail.built(email(**fields))
    assert sentence in str(refusal.value)
    assert type(refusal.value) is ValueError
    assert len(str(refusal.value)) < 300


def test_a_domain_travels_in_ascii_and_a_mailbox_as_it_is():
    plain = mail.checked(email(to="ada@bücher.example"))
    assert plain.to == "ada@xn--bcher-kva.example"
    assert not mail.needs_utf8(plain)
    special = mail.checked(email(to="ámá@bücher.example"))
    assert special.to == "ámá@xn--bcher-kva.example"
    assert mail.needs_utf8(special)
    assert "To: ámá@xn--bcher-kva.example\r\n".encode() in mail.built(special)
    assert mail.checked(special) == special


def test_a_mailbox_for_an_api_is_quoted_when_it_must_be():
    assert mail.mailbox("", "a@x.com") == "a@x.com"
    assert mail.mailbox("Café Ámá", "a@x.com") == "Café Ámá <a@x.com>"
    assert mail.mailbox('Ama "the" Shop, Ltd\\', "a@x.com") == '"Ama \\"the\\" Shop, Ltd\\\\" <a@x.com>'
    assert mail.mailbox("a@b.com, c", "a@x.com") == '"a@b.com, c" <a@x.com>'

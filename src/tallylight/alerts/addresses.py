"""Translates https addresses that chat services show into Apprise's addresses. Pure.

Apprise itself knows those of Slack, Discord, Lark, WeCom and Teams (a workflow).
"""

import re

_NATIVE = (
    (re.compile(r"https://open\.feishu\.cn/open-apis/bot/(?:v2/)?hook/([\w-]+)/?"), "feishu://{}/"),
    (
        re.compile(r"https://open\.larksuite\.com/open-apis/bot/(?:v2/)?hook/([\w-]+)/?"),
        "lark://{}/",
    ),
    (
        re.compile(r"https://oapi\.dingtalk\.com/robot/send\?access_token=([A-Za-z0-9]+)"),
        "dingtalk://{}/",
    ),
)
_TEAMS_CONNECTOR = re.compile(r"https://[\w.-]*(?:webhook\.office\.com|outlook\.office\.com)/.*")


def apprise_address(address: str) -> str:
    """Return the address that Apprise understands."""
    for pattern, form in _NATIVE:
        found = pattern.fullmatch(address)
        if found is not None:
            return form.format(found[1])
    return address


def unusable_reason(address: str) -> str:
    """Return why Apprise cannot use an address, without the address itself."""
    if _TEAMS_CONNECTOR.fullmatch(address):
        return (
            "is a connector of Microsoft Teams, which Microsoft has shut down; create a workflow "
            "(“Send webhook alerts to a channel”) and write the address that it shows"
        )
    if address.startswith(("https://", "http://")):
        return (
            "is not an address that Apprise can use; for an endpoint of your own write "
            "jsons://host/path, or add `secret` to receive signed webhooks"
        )
    return (
        "is not an address that Apprise can use; https://appriseit.com/services/ has the forms "
        "(slack://…, mailto://…, json://…)"
    )

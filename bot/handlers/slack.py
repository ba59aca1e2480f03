"""The Slack client as the bot uses it, and what Slack's refusals mean for a post."""

from collections.abc import Iterator, Mapping

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from bot.settings import StaffKind, StaffSource
from bot.storage.knowledge import StaffMember

TIMEOUT_S = 10
RATE_RETRIES = 2
PAGES_MAX = 20


def web_client(token: str, api_url: str) -> WebClient:
    """A client that repeats nothing but what a rate limit refused: a lost answer is no reason to post twice.

    A proxy comes from the environment, also for an address on this machine: slack_sdk does not read NO_PROXY, and takes
    an empty `proxy` for one without a host (measured). Who stands in for Slack there starts the bot without a proxy.
    """
    return WebClient(
        token=token,
        base_url=api_url,
        timeout=TIMEOUT_S,
        retry_handlers=[RateLimitErrorRetryHandler(max_retry_count=RATE_RETRIES)],
    )


def read_staff(client: WebClient, source: StaffSource, leads: tuple[str, ...]) -> tuple[StaffMember, ...]:
    """Those who may act, with the names that letters show; bots and deactivated members are left out.

    Raises what slack_sdk raises.
    """
    users = dict.fromkeys((*_users(client, source), *leads))
    return tuple(each for user in users if (each := _member(client, user, user in leads)))


def _users(client: WebClient, source: StaffSource) -> tuple[str, ...]:
    match source.kind:
        case StaffKind.USERS:
            return source.ids
        case StaffKind.GROUP:
            return tuple(_texts(_asked(client, "usergroups.users.list", {"usergroup": source.ids[0]}).get("users")))
        case StaffKind.CHANNEL:
            return tuple(_members(client, source.ids[0]))


def _members(client: WebClient, channel: str) -> Iterator[str]:
    cursor = ""
    for _ in range(PAGES_MAX):
        page = _asked(client, "conversations.members", {"channel": channel, "limit": 200, "cursor": cursor})
        yield from _texts(page.get("members"))
        more = page.get("response_metadata")
        cursor = str(more.get("next_cursor") or "") if isinstance(more, Mapping) else ""
        if not cursor:
            return


def _member(client: WebClient, user: str, lead: bool) -> StaffMember | None:
    found = _asked(client, "users.info", {"user": user}).get("user")
    if not isinstance(found, Mapping) or found.get("is_bot") or found.get("deleted"):
        return None
    return StaffMember(user, str(found.get("real_name") or found.get("name") or user), lead)


def _asked(client: WebClient, method: str, arguments: Mapping[str, str | int]) -> Mapping[str, object]:
    given = {name: value for name, value in arguments.items() if value != ""}
    answer = client.api_call(method, http_verb="GET", params=given).data
    return answer if isinstance(answer, Mapping) else {}


def _texts(found: object) -> Iterator[str]:
    if isinstance(found, list):
        yield from (each for each in found if isinstance(each, str))


def error_of(refusal: SlackApiError) -> str:
    """Slack's word for what is wrong, such as `channel_not_found`."""
    return str(refusal.response.get("error") or "unknown_error")

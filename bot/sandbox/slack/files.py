"""files.*: uploads in three steps, and files as messages show them."""

from __future__ import annotations

from bot.sandbox.slack.access import writable
from bot.sandbox.slack.arguments import Arguments, Refused
from bot.sandbox.slack.chat import thread_of, trace
from bot.sandbox.slack.shapes import Json, Obj, clone, listed, objs, strings, text
from bot.sandbox.slack.state import (
    Kind,
    Room,
    StoredFile,
    Workspace,
)


def files_get_upload_url(space: Workspace, args: Arguments) -> Obj:
    """files.getUploadURLExternal"""
    size = args.whole("length", 1, 1_000_000_000, "invalid_arguments")
    record = new_file(space, args.text("filename"), size, space.app.user_id)
    file_id = text(record.info, "id")
    return {"upload_url": f"{space.base_url}/upload/v1/{file_id}", "file_id": file_id}


def new_file(space: Workspace, name: str, size: int, user: str) -> StoredFile:
    """A file object without its bytes. Source: Slack, "File object"."""
    file_id = space.new_id("F")
    url = f"{space.base_url}/files-pri/{space.team_id}-{file_id}"
    kind = name.rsplit(".", 1)[-1].lower() if "." in name else "text"
    info: Obj = {
        "id": file_id,
        "created": int(space.clock()),
        "timestamp": int(space.clock()),
        "name": name,
        "title": name,
        "mimetype": _MIMES.get(kind, "application/octet-stream"),
        "filetype": kind,
        "pretty_type": kind.upper(),
        "user": user,
        "user_team": space.team_id,
        "editable": False,
        "size": size,
        "mode": "hosted",
        "is_external": False,
        "external_type": "",
        "is_public": False,
        "public_url_shared": False,
        "display_as_bot": False,
        "username": "",
        "url_private": f"{url}/{name}",
        "url_private_download": f"{url}/download/{name}",
        "permalink": f"https://{space.domain}.slack.example/files/{user}/{file_id}/{name}",
        "channels": [],
        "groups": [],
        "ims": [],
        "shares": {},
        "has_rich_preview": False,
        "file_access": "visible",
    }
    space.files[file_id] = StoredFile(info)
    return space.files[file_id]


_MIMES = {
    "txt": "text/plain",
    "csv": "text/csv",
    "json": "application/json",
    "html": "text/html",
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "zip": "application/zip",
    "eml": "message/rfc822",
}


def files_complete_upload(space: Workspace, args: Arguments) -> Obj:
    """files.completeUploadExternal: the files appear, in a channel if one is named."""
    wanted = args.json("files", "invalid_arguments")
    if not isinstance(wanted, list) or not wanted or any(not text(item, "id") for item in wanted):
        raise Refused("invalid_arguments", ("[ERROR] files must be a list of objects with id",))
    records = [space.files.get(text(item, "id")) for item in wanted]
    found = [record for record in records if record is not None and record.content is not None and not record.shared]
    if len(found) != len(wanted):
        raise Refused("file_not_found")
    room = writable(space, args.text("channel_id")) if args.has("channel_id") else None
    thread_ts = thread_of(room, args) if room else ""
    for record, item in zip(found, wanted, strict=True):
        record.shared = True
        record.info["title"] = text(item, "title") or record.info["title"]
    if room:
        message = space.bot_message(args.text("initial_comment"), [])
        trace(space, room, message, args, "files.completeUploadExternal")
        share(space, room, message, found, thread_ts)
    return {"files": [clone(record.info) for record in found]}


def share(space: Workspace, room: Room, message: Obj, records: list[StoredFile], thread_ts: str = "") -> list[Json]:
    """Put a message with files into a conversation; the app gets the message and a file_shared each."""
    for record in records:
        record.shared = True
        where = {Kind.PUBLIC: "channels", Kind.PRIVATE: "groups", Kind.IM: "ims"}[room.kind]
        record.info[where] = strings([room.id])
        record.info["shares"] = {
            "public" if room.kind is Kind.PUBLIC else "private": {room.id: [{"ts": text(message, "ts")}]},
        }
    files = listed([clone(record.info) for record in records])
    message |= {"subtype": "file_share", "files": files, "upload": False, "display_as_bot": False}
    space.add(room, message, thread_ts)
    for record in records:
        file_id, user = text(record.info, "id"), text(message, "user")
        event: Obj = {"type": "file_shared", "file_id": file_id, "user_id": user, "file": {"id": file_id}}
        if space.bot_in(room):
            space.emit("file_shared", event | {"channel_id": room.id, "event_ts": space.ts()})
    return files


def files_info(space: Workspace, args: Arguments) -> Obj:
    """files.info"""
    record = space.files.get(args.text("file"))
    if record is None or not record.shared:
        raise Refused("file_not_found")
    mine = text(record.info, "user") == space.app.user_id
    seen = any(space.bot_in(room) for room in space.rooms.values() if _holds(room, record))
    if not mine and not seen:
        raise Refused("file_not_found")
    return {"file": clone(record.info), "comments": [], "response_metadata": {"next_cursor": ""}}


def _holds(room: Room, record: StoredFile) -> bool:
    wanted = text(record.info, "id")
    return any(text(f, "id") == wanted for m in room.messages.values() for f in objs(m, "files"))

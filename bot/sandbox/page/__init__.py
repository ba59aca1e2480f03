"""The sandbox's page in the browser: one template, one style sheet, one script, all of our own."""

from importlib.resources import files

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

SIDES = ("worker", "client")
POLICY = {
    "content-security-policy": "default-src 'self'; img-src data:; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def routes() -> list[Route]:
    """The page at `/`, and what it loads."""
    template = Environment(autoescape=True).from_string(_text("index.html"))
    html = template.render(sides=SIDES)

    def index(_: Request) -> Response:
        return HTMLResponse(html, headers=POLICY)

    def style(_: Request) -> Response:
        return Response(_text("page.css"), media_type="text/css", headers=POLICY)

    def script(_: Request) -> Response:
        return Response(_text("page.js"), media_type="text/javascript", headers=POLICY)

    return [Route("/", index), Route("/page.css", style), Route("/page.js", script)]


def _text(name: str) -> str:
    return files("bot.sandbox.page").joinpath(name).read_text("utf-8")

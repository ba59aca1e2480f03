"""Who lives in the sandbox: twenty assignments with worker and client, two members of staff and a lead."""

from dataclasses import dataclass

ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "")


@dataclass(frozen=True, slots=True)
class Person:
    """A name and a mail address."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """One job: its ID, who worked, who ordered. `zone` is the worker's; empty: the policy's."""

    id: str
    worker: Person
    client: Person
    amount: str
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Colleague:
    """A member of staff: the Slack user, the handle, the name."""

    user: str
    handle: str
    name: str
    lead: bool = False


def _worker(name: str) -> Person:
    return Person(name, f"{name.partition(' ')[0].lower()}@worker.example")


def _client(name: str, firm: str) -> Person:
    return Person(name, f"{name.partition(' ')[0].lower()}@{firm}.example")


ASSIGNMENTS = (
    Assignment("4471829360", _worker("Dana Reyes"), _client("Priya Nair", "northwind"), "$240.00"),
    Assignment("4471830112", _worker("Marcus Bell"), _client("Ellen Fox", "brightline"), "$185.00"),
    Assignment("4471831947", _worker("Aisha Khan"), _client("Tom Lindqvist", "lakeside"), "$320.00"),
    Assignment("4471833520", _worker("Jorge Medina"), _client("Ruth Abrams", "harborview"), "$95.00"),
    Assignment("4471835008", _worker("Linh Tran"), _client("Owen Clarke", "crestpoint"), "$410.00"),
    Assignment("4471836671", _worker("Sam Okafor"), _client("Helen Park", "millstone"), "$150.00", ZONES[1]),
    Assignment("4471838204", _worker("Greta Olsen"), _client("Victor Ames", "redwood"), "$275.00", ZONES[1]),
    Assignment("4471839755", _worker("Paul Novak"), _client("Carla Souza", "bluepeak"), "$130.00", ZONES[2]),
    Assignment("4471841290", _worker("Nadia Haddad"), _client("Ian Murphy", "stonegate"), "$220.00", ZONES[3]),
    Assignment("4471842833", _worker("Leo Fischer"), _client("Grace Kim", "oakfield"), "$505.00", ZONES[3]),
    Assignment("4471844376", _worker("Rosa Delgado"), _client("Peter Voss", "silverline"), "$88.00"),
    Assignment("4471845919", _worker("Ben Carter"), _client("Amara Obi", "westbrook"), "$360.00"),
    Assignment("4471847462", _worker("Yuki Sato"), _client("Diane Moreau", "fairmont"), "$199.00"),
    Assignment("4471849005", _worker("Olga Petrova"), _client("Neil Grant", "kingsway"), "$445.00"),
    Assignment("4471850548", _worker("Hassan Ali"), _client("Megan Ross", "pinecrest"), "$170.00"),
    Assignment("4471852091", _worker("Clara Jensen"), _client("Raj Patel", "summit"), "$260.00", ZONES[1]),
    Assignment("4471853634", _worker("Wade Turner"), _client("Sofia Ricci", "valley"), "$140.00", ZONES[2]),
    Assignment("4471855177", _worker("Ingrid Dahl"), _client("Luke Bennett", "granite"), "$385.00"),
    Assignment("4471856720", _worker("Felix Braun"), _client("Naomi Levy", "horizon"), "$215.00"),
    Assignment("4471858263", _worker("Tara Quinn"), _client("Hugo Martin", "evergreen"), "$300.00"),
)

STAFF = (
    Colleague("U0SAM00001", "sam", "Sam Whitfield"),
    Colleague("U0ALEX0001", "alex", "Alex Romero"),
    Colleague("U0LEAD0001", "jordan", "Jordan Price", lead=True),
)

CASES_CHANNEL, INTAKE_CHANNEL = "C0CASES001", "C0INTAKE01"


def directory_csv() -> str:
    """The directory as `parley assignments import` takes it."""
    lines = ["assignment_id,worker_name,worker_email,client_name,client_email,worker_zone,amount"]
    for each in ASSIGNMENTS:
        worker, client = each.worker, each.client
        cells = (each.id, worker.name, worker.email, client.name, client.email, each.zone, each.amount)
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"

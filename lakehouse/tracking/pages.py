"""Self-contained HTML pages from the package's templates: everything is escaped, nothing is loaded from elsewhere."""

import re
from functools import lru_cache
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure


def render(template: str, values: dict[str, Any]) -> str:
    """Return a page made of a template; a figure among *values* becomes an inline SVG."""
    from markupsafe import Markup

    shown = {name: Markup(_svg(value)) if hasattr(value, "savefig") else value for name, value in values.items()}
    return _environment().get_template(template).render(**shown)


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("lakehouse.tracking"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _svg(figure: "Figure") -> str:
    page = StringIO()
    figure.savefig(page, format="svg", metadata={"Date": None}, bbox_inches="tight")
    # Without the XML head, which has no place within a page.
    return re.sub(r"^.*?(?=<svg)", "", page.getvalue(), count=1, flags=re.DOTALL)

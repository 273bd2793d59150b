"""The OpenAPI document: what the served service and model take and give, by name and type, with examples.

Start at `describe`. The document is made when it is asked for, so it follows a new definition or model.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from lakehouse.online import Status
from lakehouse.serving.feature_server import FeatureServer
from lakehouse.serving.problems import ProblemAnswer

_FEATURES = "Features by key, as they are now or at a moment, each with its status and age."
_PREDICT = "Predictions by key: features are fetched, the model's other inputs come with the request."

_MOMENT = {"type": "string", "format": "date-time"}
_PROBLEM = "#/components/schemas/Problem"
_REASONS = {
    401: "No valid token",
    404: "No model is served",
    413: "Too many bytes or rows",
    422: "The request isn't what service and model take",
    503: "The store or the model can't answer now",
}


def describe(app: FastAPI, server: FeatureServer) -> None:
    """Give *app* an OpenAPI document of what *server* serves."""

    def openapi() -> dict[str, Any]:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        paths = document["paths"]
        paths["/features"] = {"post": _question(_FEATURES, _features_body(server), _features_answer(server))}
        paths["/predict"] = {"post": _question(_PREDICT, _predict_body(server), _predict_answer())}
        _probe(paths["/healthz"]["get"], {})
        _probe(paths["/readyz"]["get"], {"503": _refusal(503)})
        _metrics(paths["/metrics"]["get"])
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = ProblemAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schemas["Problem"].pop("$defs", {})
        if server.settings.tokens:
            document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            for path in ("/features", "/predict", "/metrics"):
                for operation in paths[path].values():
                    operation["security"] = [{"token": []}]
                    operation["responses"]["401"] = _refusal(401)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _question(says: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "tags": ["questions"],
        "summary": says,
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": {"description": "The answer", "content": {"application/json": {"schema": answer}}},
            **{str(status): _refusal(status) for status in (404, 413, 422, 503)},
        },
    }


def _probe(operation: dict[str, Any], more: dict[str, Any]) -> None:
    answer = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
    operation["responses"] = {
        "200": {"description": "Yes", "content": {"application/json": {"schema": answer}}},
        **more,
    }


def _metrics(operation: dict[str, Any]) -> None:
    text = {"text/plain": {"schema": {"type": "string"}}}
    operation["responses"] = {"200": {"description": "Prometheus's text format", "content": text}}


def _refusal(status: int) -> dict[str, Any]:
    return {"description": _REASONS[status], "content": {"application/json": {"schema": {"$ref": _PROBLEM}}}}


def _body(row: dict[str, Any], example: dict[str, Any], most: int, more: dict[str, Any]) -> dict[str, Any]:
    rows = {"type": "array", "items": row, "maxItems": most}
    at = {"anyOf": [_MOMENT, {"type": "null"}], "description": "The moment asked for; default now"}
    schema = {
        "type": "object",
        "properties": {"rows": rows, "at": at, **more},
        "required": ["rows"],
        "additionalProperties": False,
    }
    return {"schema": schema, "example": {"rows": [example]}}


def _features_body(server: FeatureServer) -> dict[str, Any]:
    contract = server.contract
    return _body(contract.row_schema(), contract.example_row(), server.settings.limits.rows, {})


def _predict_body(server: FeatureServer) -> dict[str, Any]:
    contract, model = server.contract, server.model
    others = (
        {} if model is None else {name: kind for name, kind in model.columns.items() if name not in contract.features}
    )
    given = {name: kind for name, kind in others.items() if name not in contract.asked}
    row, example = contract.row_schema(), contract.example_row()
    row["properties"] |= {name: _input_schema(kind) for name, kind in given.items()}
    row["required"] = [*row["required"], *given]
    example |= {name: _input_example(kind) for name, kind in given.items()}
    stale = {"type": "boolean", "default": False, "description": "Predict from stale features, as nulls"}
    return _body(row, example, server.settings.limits.rows, {"allow_stale": stale})


def _features_answer(server: FeatureServer) -> dict[str, Any]:
    statuses = _per_feature({"enum": [str(status) for status in Status]})
    ages = _per_feature({"type": ["number", "null"], "description": "seconds"})
    rows = {"type": "array", "items": server.contract.answer_schema()}
    return _object({"service": {"type": "string"}, "at": _MOMENT, "rows": rows, "statuses": statuses, "ages": ages})


def _predict_answer() -> dict[str, Any]:
    model = _object({"uri": {"type": "string"}, "ref": {"type": "string"}, "version": {"type": ["integer", "null"]}})
    shares = {"type": ["array", "null"], "items": {"type": "object", "additionalProperties": {"type": "number"}}}
    return _object(
        {
            "model": model,
            "at": _MOMENT,
            "predictions": {"type": "array"},
            "probabilities": shares,
            "statuses": _per_feature({"enum": [str(status) for status in Status]}),
        }
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _per_feature(value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"type": "array", "items": value}}


def _input_schema(kind: str) -> dict[str, Any]:
    if kind.startswith("bool"):
        return {"type": "boolean"}
    if kind.startswith(("int", "uint")):
        return {"type": "integer"}
    return {"type": ["number", "null"]} if kind.startswith("float") else {"type": ["string", "null"]}


def _input_example(kind: str) -> Any:
    if kind.startswith("bool"):
        return True
    return 1 if kind.startswith(("int", "uint")) else 1.5 if kind.startswith("float") else "text"

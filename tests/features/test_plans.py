from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView
from lakehouse.features.plans import Affected, Change, Plan, differences, plain_of


def view(name="delays", **changes):
    given = {"entity": Entity("carrier", ["carrier"]), "source": "raw.arrivals", "timestamp": "arrived_at"}
    return FeatureView(name, **{**given, "aggregations": [Aggregation("delay", "mean", "3h")], **changes})


def between(one, other):
    return differences(plain_of(one), plain_of(other))


def test_differences_name_features_that_came_went_and_changed():
    other = view(aggregations=[Aggregation("delay", "mean", "4h"), Aggregation("*", "count", None)], columns=["tail"])
    assert between(view(), other) == (
        "+ column tail",
        "+ feature delay_mean_4h",
        "+ feature count_lifetime",
        "- feature delay_mean_3h",
    )
    (line,) = between(view(), view(aggregations=[Aggregation("delay", "mean", "3h", closed="both")]))
    assert line.startswith("~ feature delay_mean_3h: ")
    assert '"closed": "both"' in line


def test_differences_show_fields_before_and_after():
    assert between(view(), view(source="raw.flights")) == ("~ source: raw.arrivals -> raw.flights",)
    assert between(view(owner="us"), view(where="x > 1", owner="them")) == ("+ where", "~ owner: us -> them")
    planes = view("planes", columns=["seats"], aggregations=[])
    assert between(FeatureService("s", [view()]), FeatureService("s", [view(), planes])) == ("+ view planes",)


def test_a_plan_prints_a_line_a_change_and_what_it_affects():
    plan = Plan(
        (
            Change("changed", "feature view", "delays", 2, view(), ("+ feature delay_mean_4h",)),
            Change("removed", "entity", "plane", 2, None),
        ),
        (Affected("training set", "late (1a2b)", "view delays is changed", "keeps its old definition"),),
    )
    assert str(plan).splitlines() == [
        "~ feature view delays (version 2, changed)",
        "    + feature delay_mean_4h",
        "- entity plane (version 2, removed)",
        "! training set late (1a2b): keeps its old definition (view delays is changed)",
    ]
    assert [change.name for change in plan.outdated] == ["delays", "plane"]
    assert str(Plan(())) == "nothing to apply"

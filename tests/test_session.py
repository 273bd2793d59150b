from lakehouse.session import open_session


def test_an_active_session_is_taken_as_it_is(spark):
    assert open_session() is spark


def test_a_new_session_speaks_delta_and_utc(spark, tmp_path):
    spark.sql(f"CREATE TABLE delta.`{tmp_path}/t` (id INT) USING delta")
    spark.sql(f"INSERT INTO delta.`{tmp_path}/t` VALUES (1), (2)")
    assert spark.sql(f"SELECT count(*) FROM delta.`{tmp_path}/t` VERSION AS OF 0").first()[0] == 0
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"

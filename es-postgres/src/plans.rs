//! No plan may read the whole table of events, or any other: not one made while it is empty, nor one made when it is large.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::sql::{Appends, Groups, Loads, Sql};
use crate::{PgStore, outcome};
use es_test_support::Database;

/// What would be read in full, whatever the statement asks for.
const WHOLE_TABLE: &str = "Seq Scan on ";

fn statements(sql: &Sql) -> Vec<&str> {
    let Sql {
        appends,
        keyed_appends,
        group: Groups { ones, ones_upon, any, any_upon },
        find_key,
        remove_key,
        remove_some_keys,
        last_event,
        find_event,
        load,
        load_with_snapshot,
        load_rest,
        loads: Loads { streams, with_snapshots },
        read_forwards,
        read_backwards,
        log_window,
        log_page,
        log_end,
        read_conversation,
        find_by_id,
        import_versions,
        import_there,
        // A `COPY` has no plan.
        import_now: _,
        import_then: _,
        save_snapshot,
        delete_snapshots,
        read_models,
    } = sql;
    let mut statements = vec![
        ones.as_str(),
        ones_upon.as_str(),
        any.as_str(),
        any_upon.as_str(),
        find_key.as_str(),
        remove_key.as_str(),
        remove_some_keys.as_str(),
        last_event.as_str(),
        find_event.as_str(),
        load.as_str(),
        load_with_snapshot.as_str(),
        load_rest.as_str(),
        streams.as_str(),
        with_snapshots.as_str(),
        read_forwards.as_str(),
        read_backwards.as_str(),
        log_window.as_str(),
        log_page.as_str(),
        log_end.as_str(),
        read_conversation.as_str(),
        find_by_id.as_str(),
        import_versions.as_str(),
        import_there.as_str(),
        save_snapshot.as_str(),
        delete_snapshots.as_str(),
        outcome::END_BACKEND,
    ];
    for Appends { one_at, one_upon, one_behind, all_at, all_upon, all_behind } in [appends, keyed_appends] {
        statements.extend([one_at, one_upon, one_behind, all_at, all_upon, all_behind].map(|sql| sql.as_str()));
    }
    statements.extend(read_models.all());
    statements
}

async fn run(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

/// The generic plan, for which the values do not matter.
async fn plan(connection: &mut PgConnection, sql: &str) -> String {
    let highest = (1..=40).rev().find(|n| sql.contains(&format!("${n}"))).unwrap_or(0);
    let nulls = vec!["NULL"; highest].join(", ");
    let arguments = if highest == 0 { String::new() } else { format!("({nulls})") };
    run(connection, format!("PREPARE planned AS {sql}")).await;
    let explain = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN EXECUTE planned {arguments}")));
    let rows = explain.fetch_all(&mut *connection).await.unwrap();
    run(connection, "DEALLOCATE planned".to_owned()).await;
    rows.iter().map(|row| row.get::<String, _>(0) + "\n").collect()
}

/// What the functions of the schema do inside, which `EXPLAIN` does not show: counted by the server, within a transaction.
async fn whole_tables_read_by_functions(connection: &mut PgConnection) -> i64 {
    for call in [
        "BEGIN",
        "SELECT es.tick()",
        "SELECT es.log_end()",
        "SELECT es.log_window(0, 10)",
        "SELECT es.log_window(1000000000, 10)",
        "SELECT * FROM es.read_log(0, 10)",
        "SELECT es.is_home()",
        "SELECT es.position_at(clock_timestamp())",
        "SELECT es.position_at('-infinity')",
        "SELECT es.announce()",
    ] {
        run(connection, call.to_owned()).await;
    }
    let counted = "SELECT coalesce(sum(seq_scan), 0)::bigint FROM pg_stat_xact_user_tables
                    WHERE schemaname = 'es' AND relname IN ('events', 'ticks', 'snapshots')";
    let count = sqlx::query(counted).fetch_one(&mut *connection).await.unwrap().get(0);
    run(connection, "ROLLBACK".to_owned()).await;
    count
}

async fn check(store: &PgStore, when: &str) {
    let mut lent = store.connections().acquire_fresh().await.unwrap();
    for sql in statements(store.sql()) {
        let plan = plan(lent.connection(), sql).await;
        assert!(!plan.contains(WHOLE_TABLE), "{when}:\n{sql}\n{plan}");
        assert!(!plan.contains("Join Filter"), "{when}: what is joined is looked up by key:\n{sql}\n{plan}");
        for line in plan.lines().filter(|line| line.contains("Index Cond") && line.contains("category")) {
            assert!(line.contains("stream_id"), "{when}: a stream is found by its whole name:\n{sql}\n{plan}");
        }
    }
    let Sql { load, load_with_snapshot, load_rest, loads, read_forwards, log_page, read_models, .. } = store.sql();
    let Loads { streams, with_snapshots } = loads;
    let letters = &read_models.list_letters;
    for sql in [load, load_with_snapshot, load_rest, streams, with_snapshots, read_forwards, letters] {
        let plan = plan(lent.connection(), sql.as_str()).await;
        assert!(!plan.contains("Sort"), "{when}: what an index has in order is not sorted:\n{}\n{plan}", sql.as_str());
    }
    let page = plan(lent.connection(), log_page.as_str()).await;
    let by_key = page.find("Index Scan using events_pk").is_some_and(|scan| !page[..scan].contains("Sort"));
    assert!(by_key, "{when}: runs of the log are read in the order of the primary key:\n{page}");
    let conversation = plan(lent.connection(), store.sql().read_conversation.as_str()).await;
    let merged = conversation.find("Merge Append").is_some_and(|merge| !conversation[..merge].contains("Sort"));
    assert!(merged, "{when}: what is read of a conversation is not sorted as a whole:\n{conversation}");
    for (sql, lookups) in [
        (
            &store.sql().read_conversation,
            &["ROW(correlation_id, pk) > ROW($1, $2)) AND (correlation_id <= $1)", "event_id = $1"][..],
        ),
        (&store.sql().find_by_id, &["event_id = $1"]),
    ] {
        let plan = plan(lent.connection(), sql.as_str()).await;
        for lookup in lookups {
            let found = plan.lines().any(|line| line.contains("Index Cond") && line.contains(lookup));
            assert!(found, "{when}: an event is found by what it is asked for:\n{}\n{plan}", sql.as_str());
        }
        assert!(!plan.contains("events_pk"), "{when}: nobody goes through all events:\n{}\n{plan}", sql.as_str());
    }
    assert_eq!(whole_tables_read_by_functions(lent.connection()).await, 0, "{when}");
}

/// A key for each of so many appends, all of one age.
async fn fill_keys(store: &PgStore, keys: u32) {
    let mut lent = store.connections().acquire().await.unwrap();
    let sql = format!(
        "INSERT INTO es.idempotency_keys (key, fingerprint, category, stream_id, first_version, last_version, recorded_at)
         SELECT gen_random_uuid(), gen_random_uuid(), 'order', 1, g, g, now() FROM generate_series(1, {keys}) g"
    );
    run(lent.connection(), sql).await;
    lent.release();
}

/// Streams of ten events each, in transactions of a hundred, with a tick for each. Half of a transaction is one conversation.
async fn fill(store: &PgStore, transactions: u32) {
    let mut lent = store.connections().acquire().await.unwrap();
    let sql = format!(
        "DO $$ BEGIN FOR i IN 1..{transactions} LOOP
           INSERT INTO es.events (category, stream_id, version, event_id, type, schema_version, payload, slice,
                                  correlation_id)
           SELECT 'order', i || '-' || gen_random_uuid(), 1 + g % 10, gen_random_uuid(), 'order.noted', 1, '{{}}', 0,
                  CASE WHEN g % 2 = 0 THEN md5(i::text)::uuid END
             FROM generate_series(0, 99) g;
           COMMIT;
           PERFORM es.tick();
           COMMIT;
         END LOOP; END $$"
    );
    run(lent.connection(), sql).await;
    lent.release();
}

async fn analyze(store: &PgStore) {
    run(store.connections().acquire().await.unwrap().connection(), "VACUUM ANALYZE".to_owned()).await;
}

async fn migrated(database: &Database) -> PgStore {
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    store
}

#[tokio::test]
async fn no_plan_reads_a_whole_table() {
    let database = Database::create().await;
    let store = migrated(&database).await;
    check(&store, "empty").await;
    fill(&store, 1).await;
    fill_keys(&store, 10).await;
    check(&store, "small").await;
    analyze(&store).await;
    check(&store, "small, analyzed").await;
    fill(&store, 500).await;
    fill_keys(&store, 20_000).await;
    check(&store, "large, analyzed when small").await;
    analyze(&store).await;
    check(&store, "large, analyzed").await;
}

#[tokio::test]
async fn no_plan_needs_statistics() {
    let database = Database::create().await;
    let store = migrated(&database).await;
    fill(&store, 500).await;
    fill_keys(&store, 20_000).await;
    check(&store, "large, never analyzed").await;
}

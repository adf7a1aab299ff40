//! How projections are registered, side by side and by an application's role.

use es_core::{
    Control, DeadLetterStatus, EventStore, Position, ProjectionId, ProjectionState, Reached, ReadModelKind,
    ReadModelStore, ReadModelTransaction, Registration, Timestamp,
};
use es_postgres::PgStore;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::fixture::*;

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_register_at_once() {
    let (store, database) = store().await;
    let mut registrations = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = PgStore::connect(database.url()).await.unwrap();
        registrations.spawn(async move {
            for name in ["one", "two", "three"] {
                register(&store, &id(name), ReadModelKind::Documents).await;
            }
        });
    }
    registrations.join_all().await;
    let statuses = store.projections().await.unwrap();
    let names: Vec<String> = statuses.iter().map(|status| status.id.to_string()).collect();
    assert_eq!(names, ["one v1", "three v1", "two v1"]);
    save(&store, &id("two"), &[("7", Some("{}"))]).await;
}

#[tokio::test]
async fn what_is_in_the_log_at_the_first_registration_is_history() {
    let (store, _database) = store().await;
    store.append(deposit("ada", 1)).await.unwrap();
    register(&store, &id("balances"), ReadModelKind::Projector).await;
    store.append(deposit("ada", 2)).await.unwrap();
    register(&store, &id("balances"), ReadModelKind::Projector).await;
    let lease = granted(&store, &id("balances"), Uuid::now_v7()).await;
    assert_eq!((lease.position, lease.live_from, lease.task), (Position::START, Position(1), None));
}

#[tokio::test]
async fn a_projection_of_another_kind_is_refused() {
    let (store, id, _database) = registered("balances").await;
    let wanted = Registration::new(id, ReadModelKind::Projector);
    let refused = setup_message(store.register(&wanted).await);
    assert!(refused.to_string().contains("`balances v1` is kept as documents, and cannot be a projector"), "{refused}");
}

#[tokio::test]
async fn an_applications_role_needs_no_right_to_make_tables() {
    let (owner, before, database) = registered("before").await;
    let mut admin = connection(&database).await;
    let role = database.name();
    run(&mut admin, &format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
    run(&mut admin, &format!("SELECT es.grant_to('{role}')")).await;
    let url: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
    let store = PgStore::options().connect_with(url.username(role).password("secret")).await.unwrap();

    let after = id("after");
    register(&store, &after, ReadModelKind::Documents).await;
    for id in [&before, &after] {
        let lease = granted(&store, id, Uuid::now_v7()).await;
        save(&store, id, &[("7", Some("{}")), ("8", None)]).await;
        advance(&store, &lease, 1, 1).await.unwrap();
        assert_eq!(get(&owner, id, &["7"]).await, [Some("{}".to_owned())]);
    }
    everything_else_that_a_projection_may_need(&store, &after, &mut admin).await;
    let forbidden = sqlx::query("CREATE TABLE es.mine ()").execute(store.begin().await.unwrap().target()).await;
    assert!(forbidden.unwrap_err().to_string().contains("permission denied"));
    drop(store);
    run(&mut admin, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// Each of these needs a right of its own.
async fn everything_else_that_a_projection_may_need(store: &PgStore, id: &ProjectionId, admin: &mut PgConnection) {
    let mut next = documents(id.name(), 3, &["owner"]);
    next.id = ProjectionId::new(id.name(), 2).unwrap();
    assert!(store.register(&next).await.unwrap());
    for word in [Control::Pause, Control::Resume, Control::Divide { parts: 2 }, Control::Serve] {
        assert!(store.control(&next.id, word).await.unwrap().is_accepted());
    }
    assert!(store.divide(&next.id).await.unwrap());
    assert!(store.control(id, Control::RetryDeadLetters).await.is_ok());
    let mut transaction = store.begin().await.unwrap();
    transaction.hold_appends().await.unwrap();
    transaction.append(deposit("ada", 1)).await.unwrap();
    transaction.lock_documents(&next.id, &["ada".to_owned(), "bob".to_owned()]).await.unwrap();
    transaction.clear_documents(&next.id).await.unwrap();
    transaction.seize(&next.id).await.unwrap();
    let letter = letter(&stream("ada"), 1, 1, DeadLetterStatus::Parked);
    transaction.save_dead_letter(&next.id, &letter).await.unwrap();
    transaction.commit().await.unwrap();
    save(store, &next.id, &[("7", Some(r#"{"owner":"ada"}"#))]).await;
    let reached = Reached::new(Position::START, ProjectionState::Running);
    assert_eq!(store.reached(&[next.id.clone()], None).await.unwrap(), [Some(reached)]);
    store.position_at(Timestamp::now()).await.unwrap();
    assert_eq!(
        number(store.begin().await.unwrap().target(), &format!("SELECT count(*) FROM es.docs_{}", id.name())).await,
        1
    );
    assert!(store.control(id, Control::Pause).await.unwrap().is_accepted());
    assert!(store.drop_projection(id).await.unwrap());
    let role = "SELECT count(*) FROM information_schema.role_table_grants
                 WHERE table_name = 'doc_after_v2' AND grantee = current_database()";
    assert_eq!(number(admin, role).await, 4, "what is made is for the role, and no more than it needs");
}

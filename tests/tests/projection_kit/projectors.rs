//! Projectors that are right, and projectors with one mistake each.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use es_core::testing::{ReadBack, ReadModelTest, read_model_on};
use es_core::{Batch, BoxError, Projector, Recorded};
use es_memory::{MemoryStore, Tables};

use super::domain::{Account, AccountEvent, Everything, Order, assert_says, deposited, in_memory, message, placed};

type Rows = Vec<(String, i64)>;

fn rows<const N: usize>(rows: [(&str, i64); N]) -> Rows {
    rows.map(|(key, value)| (key.to_owned(), value)).into()
}

async fn sums(store: MemoryStore) -> Rows {
    store.table("sums").list().unwrap()
}

fn cents(event: &Recorded<AccountEvent>) -> i64 {
    match event.event {
        AccountEvent::Deposited { cents } => cents,
        _ => 0,
    }
}

fn add(tables: &mut Tables, table: &str, key: &str, cents: i64) -> Result<(), BoxError> {
    let before: i64 = tables.get(table, key)?.unwrap_or(0);
    Ok(tables.put(table, key, &(before + cents))?)
}

/// The story of all of them: two deposits of Ada's, one of Bob's.
fn told<P: Projector<Target = Tables>>(
    make: impl Fn() -> P + Send + Sync + 'static,
) -> ReadModelTest<MemoryStore, ReadBack<Rows>> {
    let test = in_memory().projector(make, sums);
    test.given::<Account>("ada", [deposited(50), deposited(20)]).given::<Account>("bob", deposited(7))
}

/// Sums over accounts, and how many orders there are.
struct Sums;

impl Projector for Sums {
    const NAME: &'static str = "sums";
    type Event = Everything;
    type Target = Tables;
    type Error = BoxError;

    async fn project(&self, event: &Recorded<Everything>, tables: &mut Tables) -> Result<(), BoxError> {
        match &event.event {
            Everything::Account(AccountEvent::Deposited { cents }) => add(tables, "sums", event.stream.id(), *cents),
            Everything::Account(_) => Ok(()),
            Everything::Order(_) => add(tables, "sums", "orders", 1),
        }
    }

    async fn clear(&self, tables: &mut Tables) -> Result<(), BoxError> {
        tables.clear("sums");
        Ok(())
    }
}

/// Counts how many there were, and how many there are.
#[derive(Clone, Default)]
struct Guards {
    made: Arc<AtomicUsize>,
    alive: Arc<AtomicUsize>,
}

struct Guard(Guards);

impl Guards {
    fn make(&self) -> Guard {
        self.made.fetch_add(1, Ordering::SeqCst);
        self.alive.fetch_add(1, Ordering::SeqCst);
        Guard(self.clone())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_right_one_passes_and_each_guard_lives_as_long_as_its_store() {
    let (guards, looked) = (Guards::default(), Guards::default());
    let (opening, looking) = (guards.clone(), looked.clone());
    let open = move || {
        let guards = opening.clone();
        async move { Ok::<_, io::Error>((MemoryStore::new(), guards.make())) }
    };
    let alive = guards.clone();
    let look = move |store| {
        assert_eq!(alive.alive.load(Ordering::SeqCst), 1, "one store at a time");
        looking.made.fetch_add(1, Ordering::SeqCst);
        sums(store)
    };
    read_model_on(open)
        .projector(|| Sums, look)
        .given::<Account>("ada", [deposited(50), deposited(20)])
        .given::<Order>(1, placed("ada"))
        .given::<Account>("bob", deposited(7))
        .expect(rows([("ada", 70), ("bob", 7), ("orders", 1)]))
        .verify()
        .await;
    assert_eq!(guards.alive.load(Ordering::SeqCst), 0);
    let (opened, looked) = (guards.made.load(Ordering::SeqCst), looked.made.load(Ordering::SeqCst));
    assert_eq!(looked, opened + 1, "every run is looked at, and the last one again after its rebuild");
    assert!((8..=20).contains(&opened), "{opened}");
}

#[test]
fn a_store_that_cannot_be_opened_is_told() {
    let open = || async { Err::<MemoryStore, _>(io::Error::other("the disk is full")) };
    let said = message(read_model_on(open).projector(|| Sums, sums).verify());
    assert_says(&said, &["the store could not be opened: ", "the disk is full"]);
}

#[test]
fn what_is_not_as_expected_is_shown_with_a_diff_and_the_events() {
    let said = message(told(|| Sums).expect(rows([("ada", 71), ("bob", 7)])).verify());
    assert_says(
        &said,
        &[
            "read model `sums v1` is not as expected\n--- expected\n+++ actual\n",
            "-        71,\n+        70,\n",
            "the events, in the order of the log:\n  account-ada 1: account.deposited {\"cents\":50}\n",
        ],
    );
}

/// The parts of a projector of accounts that are the same in all tests.
macro_rules! of_accounts {
    () => {
        const NAME: &'static str = "sums";
        type Event = AccountEvent;
        type Target = Tables;
        type Error = BoxError;
    };
    (clears) => {
        of_accounts!();

        async fn clear(&self, tables: &mut Tables) -> Result<(), BoxError> {
            tables.clear("sums");
            Ok(())
        }
    };
}

/// Writes down how large the last batch was.
struct Batches;

impl Projector for Batches {
    of_accounts!(clears);

    async fn project(&self, _: &Recorded<AccountEvent>, _: &mut Tables) -> Result<(), BoxError> {
        unreachable!("whole batches are taken in")
    }

    async fn project_batch(&self, batch: &Batch<'_, AccountEvent>, tables: &mut Tables) -> Result<(), BoxError> {
        Ok(tables.put("sums", "last batch", &batch.len())?)
    }
}

#[test]
fn what_depends_on_batches_is_noticed() {
    let said = message(told(|| Batches).expect(rows([("last batch", 3)])).verify());
    assert_says(
        &said,
        &[
            "read model `sums v1`, taken in one event at a time, shows something else\n",
            "-        3,\n+        1,\n",
            "It depends on where batches end",
        ],
    );
}

/// Counts in memory, and writes down the count.
#[derive(Default)]
struct Memory(AtomicI64);

impl Projector for Memory {
    of_accounts!(clears);

    async fn project(&self, event: &Recorded<AccountEvent>, tables: &mut Tables) -> Result<(), BoxError> {
        let sum = self.0.fetch_add(cents(event), Ordering::SeqCst) + cents(event);
        Ok(tables.put("sums", "all", &sum)?)
    }
}

#[test]
fn what_is_kept_in_memory_and_dies_is_noticed() {
    let said = message(told(Memory::default).expect(rows([("all", 77)])).verify());
    assert_says(
        &said,
        &[
            "read model `sums v1`, whose process dies between each effect and its commit, shows something else\n",
            "-        77,\n+        7,\n",
            "what is kept in memory is lost",
        ],
    );
}

/// Reads each sum once, and then goes on from what it remembers.
#[derive(Default)]
struct Cached(Mutex<HashMap<String, i64>>);

impl Projector for Cached {
    of_accounts!(clears);

    async fn project(&self, event: &Recorded<AccountEvent>, tables: &mut Tables) -> Result<(), BoxError> {
        let account = event.stream.id();
        let mut cache = self.0.lock().unwrap();
        if !cache.contains_key(account) {
            cache.insert(account.to_owned(), tables.get("sums", account)?.unwrap_or(0));
        }
        let sum = cache.get_mut(account).unwrap();
        *sum += cents(event);
        Ok(tables.put("sums", account, &*sum)?)
    }
}

#[test]
fn a_cache_that_a_rollback_leaves_ahead_is_noticed() {
    let said = message(told(Cached::default).expect(rows([("ada", 70), ("bob", 7)])).verify());
    assert_says(
        &said,
        &[
            "read model `sums v1`, whose transactions fail and are tried again, shows something else\n",
            "What is kept in memory",
        ],
    );
}

/// Keeps everything elsewhere, like a service that is called.
struct Elsewhere(Arc<Mutex<Rows>>);

impl Projector for Elsewhere {
    of_accounts!(clears);

    async fn project(&self, event: &Recorded<AccountEvent>, _: &mut Tables) -> Result<(), BoxError> {
        self.0.lock().unwrap().push((event.stream.id().to_owned(), cents(event)));
        Ok(())
    }
}

#[test]
fn effects_elsewhere_that_take_place_twice_are_noticed() {
    let service = Arc::new(Mutex::new(Rows::new()));
    let (emptied, called, asked) = (Arc::clone(&service), Arc::clone(&service), service);
    let open = move || {
        emptied.lock().unwrap().clear();
        async { MemoryStore::new() }
    };
    let look = move |_| {
        let seen = asked.lock().unwrap().clone();
        async move { seen }
    };
    let test = read_model_on(open).projector(move || Elsewhere(Arc::clone(&called)), look);
    let said = message(test.given::<Account>("ada", deposited(50)).expect(rows([("ada", 50)])).verify());
    assert_says(
        &said,
        &[
            "read model `sums v1`, whose process dies between each effect and its commit, shows something else\n",
            "+    (\n+        \"ada\",\n+        50,\n+    ),\n",
            "What is written elsewhere than to the transaction is not undone",
        ],
    );
}

/// Leaves out what is history.
struct OnlyNews;

impl Projector for OnlyNews {
    of_accounts!(clears);

    async fn project(&self, event: &Recorded<AccountEvent>, tables: &mut Tables) -> Result<(), BoxError> {
        add(tables, "sums", event.stream.id(), cents(event))
    }

    async fn project_batch(&self, batch: &Batch<'_, AccountEvent>, tables: &mut Tables) -> Result<(), BoxError> {
        for event in batch.iter().filter(|_| !batch.is_replay()) {
            self.project(event, tables).await?;
        }
        Ok(())
    }
}

#[test]
fn what_differs_between_history_and_the_present_is_noticed() {
    let said = message(told(|| OnlyNews).expect(rows([])).verify());
    assert_says(
        &said,
        &[
            "read model `sums v1`, that runs while the events arrive, shows something else\n",
            "+        \"ada\",\n+        70,\n",
            "look for `Batch::is_replay`",
        ],
    );
}

/// Writes two tables, and clears one.
struct TwoTables;

impl Projector for TwoTables {
    of_accounts!(clears);

    async fn project(&self, event: &Recorded<AccountEvent>, tables: &mut Tables) -> Result<(), BoxError> {
        add(tables, "sums", event.stream.id(), cents(event))?;
        add(tables, "counts", event.stream.id(), 1)
    }
}

#[test]
fn a_table_that_is_not_cleared_is_noticed() {
    let look = |store: MemoryStore| async move { store.table::<i64>("counts").list().unwrap() };
    let test = in_memory().projector(|| TwoTables, look).given::<Account>("ada", [deposited(50), deposited(20)]);
    let said = message(test.expect(rows([("ada", 2)])).verify());
    assert_eq!(
        said,
        r#"read model `sums v1`, rebuilt, shows something else
--- expected
+++ actual
@@ -1,6 +1,6 @@
 [
     (
         "ada",
-        2,
+        4,
     ),
 ]
`clear` has to remove all that was written, in every table, and whatever is kept in memory.
the events, in the order of the log:
  account-ada 1: account.deposited {"cents":50}
  account-ada 2: account.deposited {"cents":20}
"#
    );
}

/// Does not say how to clear.
struct Indelible;

impl Projector for Indelible {
    of_accounts!();

    async fn project(&self, event: &Recorded<AccountEvent>, tables: &mut Tables) -> Result<(), BoxError> {
        add(tables, "sums", event.stream.id(), cents(event))
    }
}

#[test]
fn one_that_cannot_be_cleared_is_told_how_to_say_so() {
    let said = message(told(|| Indelible).verify());
    assert_says(
        &said,
        &[
            "read model `sums v1`, rebuilt: projection `sums` cannot be rebuilt in place: implement `Projector::clear`",
            "\nWhere it is not meant to be rebuilt, say `.cannot_be_rebuilt()`.\n",
        ],
    );
}

#[tokio::test]
async fn one_that_cannot_be_cleared_passes_without_a_rebuild() {
    told(|| Indelible).expect(rows([("ada", 70), ("bob", 7)])).cannot_be_rebuilt().verify().await;
}

#[test]
fn one_that_counts_twice_on_redelivery_is_noticed_if_asked_for() {
    let test =
        || in_memory().projector(|| Sums, sums).given::<Account>("ada", deposited(50)).expect(rows([("ada", 50)]));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test().verify());
    let said = message(test().survives_redelivery().verify());
    assert_says(
        &said,
        &[
            "read model `sums v1`, handed each event twice, shows something else\n",
            "-        50,\n+        100,\n",
            "`.survives_redelivery()`",
        ],
    );
}

/// Knows the last event by its id, and no other.
struct LastOnly;

impl Projector for LastOnly {
    of_accounts!(clears);

    async fn project(&self, event: &Recorded<AccountEvent>, tables: &mut Tables) -> Result<(), BoxError> {
        let id = event.id.to_string();
        if tables.get::<String>("last", "id")?.is_some_and(|last| last == id) {
            return Ok(());
        }
        tables.put("last", "id", &id)?;
        add(tables, "sums", event.stream.id(), cents(event))
    }
}

#[test]
fn all_events_twice_are_more_than_each_event_twice() {
    let said = message(told(|| LastOnly).survives_redelivery().cannot_be_rebuilt().verify());
    assert_says(&said, &["read model `sums v1`, handed all events twice, shows something else\n"]);
}

/// Keeps the version that each account was taken in up to.
struct Idempotent;

impl Projector for Idempotent {
    of_accounts!(clears);

    async fn project(&self, event: &Recorded<AccountEvent>, tables: &mut Tables) -> Result<(), BoxError> {
        let account = event.stream.id();
        let (sum, version): (i64, u64) = tables.get("sums", account)?.unwrap_or_default();
        if event.version.0 <= version {
            return Ok(());
        }
        Ok(tables.put("sums", account, &(sum + cents(event), event.version.0))?)
    }
}

#[tokio::test]
async fn one_that_bears_redelivery_passes() {
    let look = |store: MemoryStore| async move { store.table::<(i64, u64)>("sums").list().unwrap() };
    in_memory()
        .projector(|| Idempotent, look)
        .given::<Account>("ada", [deposited(50), deposited(20)])
        .given::<Account>("bob", deposited(7))
        .expect(vec![("ada".into(), (70, 2)), ("bob".into(), (7, 1))])
        .survives_redelivery()
        .verify()
        .await;
}

/// Cannot take in seven.
struct Picky;

impl Projector for Picky {
    of_accounts!(clears);

    async fn project(&self, event: &Recorded<AccountEvent>, _: &mut Tables) -> Result<(), BoxError> {
        if cents(event) == 7 { Err("not seven".into()) } else { Ok(()) }
    }
}

#[test]
fn one_that_fails_is_told_where_and_why() {
    let said = message(told(|| Picky).verify());
    assert_says(
        &said,
        &[
            "read model `sums v1`, taken in all at once: projection `sums v1` has stopped: ",
            "event 1 of stream `account-bob` could not be taken in after 3 tries: not seven\n",
            "the events, in the order of the log:\n",
        ],
    );
}

//! The read models, and how the projections stand.

use std::collections::BTreeMap;
use std::fmt::Debug;

use es_core::{Document, EventStoreExt, Position, ProjectionState, ReadModelStore, ReadModels};
use es_postgres::PgStore;
use order::domain::order::Status;
use order::read_models::{OrderDetails, OrderSummary, StockLevel};

use super::{Log, Verdict};

/// As many documents as are asked for at once.
const PAGE: u32 = 200;

pub(super) async fn check(store: &PgStore, log: &Log, verdict: &mut Verdict) {
    for status in store.projections().await.unwrap() {
        let stands = (status.lag_events, status.parked, &status.last_error);
        let runs = status.state == ProjectionState::Running;
        verdict.unless(runs && stands == (0, 0, &None), || format!("not all is taken in: {status:?}"));
        let letters = store.dead_letters(&status.id).await.unwrap();
        verdict.unless(letters.is_empty(), || format!("something is set aside: {letters:?}"));
    }
    check_documents::<OrderDetails>(store, verdict).await;
    let orders = check_documents::<OrderSummary>(store, verdict).await;
    for (id, order) in &orders {
        let has_ended = matches!(order.status, Status::Shipped | Status::Cancelled);
        verdict.unless(has_ended, || format!("{id} is listed as {:?}", order.status));
    }
    let placed = log.iter().filter(|event| event.stream.category() == "order" && event.version.0 == 1).count();
    verdict.unless(orders.len() == placed, || format!("{} orders are listed of {placed}", orders.len()));
    for (sku, level) in check_documents::<StockLevel>(store, verdict).await {
        verdict.unless(level.reserved == 0, || format!("{sku} is still reserved: {level:?}"));
    }
}

/// All of them are kept under the id of the stream.
async fn check_documents<D: Document + Debug + PartialEq>(
    store: &PgStore,
    verdict: &mut Verdict,
) -> BTreeMap<String, D> {
    let mut folded = BTreeMap::<String, D>::new();
    for event in store.log::<D::Event>(Position::START).collect().await.unwrap() {
        folded.entry(event.stream.id().to_owned()).or_default().apply(&event);
    }
    let kept = documents::<D>(store).await;
    for (key, document) in &folded {
        let kept = kept.get(key);
        verdict.unless(kept == Some(document), || format!("`{key}` is kept as {kept:?}, and is {document:?}"));
    }
    verdict.unless(kept.len() == folded.len(), || format!("there are more documents than `{}` has", D::NAME));
    kept
}

async fn documents<D: Document>(store: &PgStore) -> BTreeMap<String, D> {
    let (documents, mut all) = (store.documents::<D>().unwrap(), BTreeMap::new());
    loop {
        let after = all.last_key_value().map(|(key, _): (&String, &D)| key.clone());
        let page = documents.list(after.as_deref(), PAGE).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

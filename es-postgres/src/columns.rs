//! Events as the columns of a statement: one array for each.

use es_core::NewEvent;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use uuid::Uuid;

use crate::row::Json;

/// What an event has in every statement that inserts several, in the order in which it is bound: `event_id`, `type`,
/// `schema_version`, `payload`, `correlation_id`, `causation_id`, `metadata`.
#[derive(Default)]
pub(crate) struct Columns<'a> {
    ids: Vec<Uuid>,
    types: Vec<&'a str>,
    schema_versions: Vec<i32>,
    payloads: Vec<Json<'a>>,
    correlations: Vec<Option<Uuid>>,
    causations: Vec<Option<Uuid>>,
    metadata: Vec<Option<Json<'a>>>,
}

impl<'a> Columns<'a> {
    pub(crate) fn push(&mut self, event: &'a NewEvent, metadata: Option<&'a str>) {
        self.ids.push(event.id.0);
        self.types.push(&event.event_type);
        self.schema_versions.push(schema_version(event));
        self.payloads.push(Json(&event.payload));
        self.correlations.push(correlation(event));
        self.causations.push(causation(event));
        self.metadata.push(metadata.map(Json));
    }

    pub(crate) fn bind<'q>(self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments>
    where
        'a: 'q,
    {
        query
            .bind(self.ids)
            .bind(self.types)
            .bind(self.schema_versions)
            .bind(self.payloads)
            .bind(self.correlations)
            .bind(self.causations)
            .bind(self.metadata)
    }
}

/// `Append::check` has refused what does not fit.
pub(crate) fn schema_version(event: &NewEvent) -> i32 {
    i32::try_from(event.schema_version).unwrap_or(i32::MAX)
}

pub(crate) fn correlation(event: &NewEvent) -> Option<Uuid> {
    event.metadata.correlation_id.map(|id| id.0)
}

pub(crate) fn causation(event: &NewEvent) -> Option<Uuid> {
    event.metadata.causation_id.map(|id| id.0)
}

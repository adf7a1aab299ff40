//! Which projections there are: making room for one, its parts, the version that serves, and forgetting one.

use es_core::{
    Error, EventFilter, Position, ProjectionId, ReadModelKind, Refusal, Registration, SLICES, Slices, TakenIn,
};
use sqlx::{PgConnection, Row};

use crate::connections::Ask;
use crate::error::Failure;
use crate::read::{next, signed};
use crate::read_model::statements::{of, slices_in};
use crate::row::Column;
use crate::sql::Sql;

pub(crate) const REGISTER: &str = "
SELECT known_kind, known_inline, is_new FROM {schema}.register_projection($1, $2, $3, $4, $5, $6, $7)";

pub(crate) const TAKE_UP: &str = "SELECT {schema}.take_up($1, $2, $3, $4)";

/// What is to be rebuilt has nothing behind it, and what is to be rewound what lies before that place.
pub(crate) const TAKEN_IN: &str = "
SELECT p.wanted_categories, p.wanted_types, p.inline,
       CASE WHEN p.rebuild_requested THEN 0 ELSE least(p.rewind_to, max(a.position)) END
  FROM {schema}.projections p
  JOIN {schema}.projection_parts a USING (name, version)
 WHERE p.name = $1 AND p.version = $2 AND p.wanted_categories IS NOT NULL
 GROUP BY p.name, p.version";

pub(crate) const PARTS: &str = "
SELECT first_slice, last_slice FROM {schema}.projection_parts WHERE name = $1 AND version = $2 ORDER BY first_slice";

pub(crate) const SERVING: &str = "
SELECT version FROM {schema}.projections WHERE name = $1 AND serving";

pub(crate) const DROP: &str = "SELECT {schema}.drop_projection($1, $2)";

/// [`ReadModelStore::register`](es_core::ReadModelStore::register), with the place up to which the log is history.
pub(crate) struct Register<'a> {
    pub(crate) registration: &'a Registration,
    pub(crate) live_from: Position,
}

impl Register<'_> {
    /// Fields are those of documents.
    fn fields(&self) -> &'static [&'static str] {
        match self.registration.kind {
            ReadModelKind::Documents => self.registration.indexed,
            ReadModelKind::Projector | ReadModelKind::Reactor => &[],
        }
    }
}

fn word(kind: ReadModelKind) -> &'static str {
    match kind {
        ReadModelKind::Projector => "projector",
        ReadModelKind::Documents => "documents",
        ReadModelKind::Reactor => "reactor",
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the schema knows of a kind of projection that this program does not: {0:?}")]
struct UnknownKind(String);

pub(crate) fn kind_of(kept: &str) -> Result<ReadModelKind, Error> {
    let kinds = [ReadModelKind::Projector, ReadModelKind::Documents, ReadModelKind::Reactor];
    let known = kinds.into_iter().find(|kind| word(*kind) == kept);
    known.ok_or_else(|| Error::store(UnknownKind(kept.to_owned())))
}

/// How many parts a projection can have.
pub(crate) fn checked_parts(id: &ProjectionId, parts: u16) -> Result<i32, Error> {
    if (1..=SLICES).contains(&parts) {
        return Ok(i32::from(parts));
    }
    Err(Refusal::Parts { parts }.of(id))
}

impl Ask for Register<'_> {
    type Answer = bool;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<bool, Failure> {
        let Registration { id, kind, parts, inline, .. } = self.registration;
        let query = of(&sql.read_models.register, id)
            .bind(word(*kind))
            .bind(inline)
            .bind(checked_parts(id, *parts)?)
            .bind(self.fields())
            .bind(signed(self.live_from.0));
        let row = query.fetch_one(&mut *connection).await?;
        self.registration.check_same(kind_of(row.text(0)?)?, row.try_get(1)?)?;
        Ok(row.try_get(2)?)
    }
}

/// [`ReadModelStore::take_up`](es_core::ReadModelStore::take_up)
pub(crate) struct TakeUp<'a>(pub(crate) &'a ProjectionId, pub(crate) &'a EventFilter);

impl Ask for TakeUp<'_> {
    type Answer = ();

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        let Self(id, wanted) = *self;
        let query = of(&sql.read_models.take_up, id).bind(wanted.wanted_categories()).bind(wanted.wanted_types());
        query.execute(connection).await?;
        Ok(())
    }
}

/// [`ReadModelStore::taken_in`](es_core::ReadModelStore::taken_in), and whether it is written inline, where checkpoints say nothing.
pub(crate) struct FindTakenIn<'a>(pub(crate) &'a ProjectionId);

impl Ask for FindTakenIn<'_> {
    type Answer = Option<(TakenIn, bool)>;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Self::Answer, Failure> {
        let row = of(&sql.read_models.taken_in, self.0).fetch_optional(connection).await?;
        let Some(row) = row else { return Ok(None) };
        let (categories, types): (Vec<String>, Vec<String>) = (row.try_get(0)?, row.try_get(1)?);
        let filter = EventFilter::categories(categories).types(types);
        Ok(Some((TakenIn::new(filter, Position(row.count(3)?)), row.try_get(2)?)))
    }
}

/// [`ReadModelStore::parts`](es_core::ReadModelStore::parts)
pub(crate) struct ListParts<'a>(pub(crate) &'a ProjectionId);

impl Ask for ListParts<'_> {
    type Answer = Vec<Slices>;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Vec<Slices>, Failure> {
        let mut rows = of(&sql.read_models.parts, self.0).fetch(connection);
        let mut parts = Vec::new();
        while let Some(row) = next(&mut rows).await? {
            parts.push(slices_in(&row, 0)?);
        }
        Ok(parts)
    }
}

/// [`ReadModelStore::serving`](es_core::ReadModelStore::serving)
pub(crate) struct FindServing<'a>(pub(crate) &'a str);

impl Ask for FindServing<'_> {
    type Answer = Option<ProjectionId>;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Self::Answer, Failure> {
        // A text with a NUL names nothing, and the server refuses it.
        if self.0.contains('\0') {
            return Ok(None);
        }
        let query = sqlx::query(sql.read_models.serving.clone()).bind(self.0);
        let Some(row) = query.fetch_optional(connection).await? else { return Ok(None) };
        let version = u32::try_from(row.count(0)?).map_err(Error::store)?;
        Ok(Some(ProjectionId::new(self.0, version).map_err(Error::store)?))
    }
}

/// [`ReadModelStore::drop_projection`](es_core::ReadModelStore::drop_projection)
pub(crate) struct Forget<'a>(pub(crate) &'a ProjectionId);

impl Ask for Forget<'_> {
    type Answer = bool;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<bool, Failure> {
        let id = self.0;
        let row = of(&sql.read_models.drop_projection, id).fetch_one(connection).await?;
        match row.text(0)? {
            "owned" => Err(Refusal::WorkedOn.of(id).into()),
            "serving" => Err(Refusal::Serving.of(id).into()),
            answer => Ok(answer == "done"),
        }
    }
}

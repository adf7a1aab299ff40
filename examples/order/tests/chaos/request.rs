//! What customers ask a process for, and what they are told: a line each, since there is no network here.

use es_core::{BoxError, CorrelationId, EventStore, EventStoreExt, ExecuteError};
use order::domain::order::OrderError;
use order::domain::stock::StockError;
use order::reactions::ShopCommand;
use uuid::Uuid;

use crate::process::How;

/// What a process prints around each answer, since a killed one may have printed half a line.
pub(crate) const ANSWER: &str = "<answer> ";
pub(crate) const COMPLETE: &str = " <complete>";

/// A step in the plan of a person. Whoever knows the plans knows the command.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Request {
    pub(crate) person: usize,
    pub(crate) step: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// With the ids of the events that came of it.
    Done(Vec<Uuid>),
    /// By the domain.
    Refused(String),
    /// It may or may not have been done.
    Failed(String),
}

impl Request {
    /// Names the conversation that it begins.
    pub(crate) fn id(self) -> CorrelationId {
        CorrelationId(Uuid::from_u64_pair(1 + self.person as u64, 1 + self.step as u64))
    }

    pub(crate) fn actor(self) -> String {
        format!("person-{}", self.person)
    }

    pub(crate) fn line(self) -> String {
        format!("{} {}", self.person, self.step)
    }

    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (person, step) = line.split_once(' ')?;
        Some(Self { person: person.parse().ok()?, step: step.parse().ok()? })
    }

    /// What a process does for it.
    pub(crate) async fn execute(self, store: &impl EventStore, command: ShopCommand, how: How) -> Answer {
        let id = self.id();
        macro_rules! execute {
            ($command:expr, $rejection:ty) => {{
                let command = store.execute($command).correlation(id).causation(id.0).actor(self.actor());
                let done = match how {
                    How::NoKeys => command.await,
                    How::Right | How::FreshTokens => command.idempotency_key(id.0).await,
                };
                match done {
                    Ok(outcome) => Answer::Done(outcome.events.iter().map(|event| event.id.0).collect()),
                    Err(ExecuteError::<$rejection>::Rejected(rejection)) => Answer::Refused(rejection.to_string()),
                    Err(ExecuteError::KeyReused(reused)) => give_up(&format!("{self:?}: {reused}")),
                    Err(error) => Answer::Failed(chain(error.into())),
                }
            }};
        }
        match command {
            ShopCommand::Order(command) => execute!(command, OrderError),
            ShopCommand::Stock(command) => execute!(command, StockError),
            ShopCommand::Payment(_) | ShopCommand::Shipment(_) => unreachable!("people ask for no such thing"),
        }
    }
}

impl Answer {
    pub(crate) fn line(&self, request: Request) -> String {
        let told = match self {
            Self::Done(ids) => format!("done {}", ids.iter().map(Uuid::to_string).collect::<Vec<_>>().join(",")),
            Self::Refused(why) => format!("refused {why}"),
            Self::Failed(why) => format!("failed {why}"),
        };
        format!("{ANSWER}{}|{}{COMPLETE}", request.line(), told.replace('\n', " "))
    }

    pub(crate) fn parse(line: &str) -> Option<(Request, Self)> {
        let (request, told) = line.split_once(ANSWER)?.1.strip_suffix(COMPLETE)?.split_once('|')?;
        let (what, more) = told.split_once(' ')?;
        let answer = match what {
            "done" => Self::Done(more.split(',').filter(|id| !id.is_empty()).map(|id| id.parse().unwrap()).collect()),
            "refused" => Self::Refused(more.to_owned()),
            _ => Self::Failed(more.to_owned()),
        };
        Some((Request::parse(request)?, answer))
    }
}

/// Whoever kills this process sees that it was not him.
fn give_up(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(1)
}

fn chain(error: BoxError) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

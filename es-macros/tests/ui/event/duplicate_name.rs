use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
    #[event(rename = "account.opened")]
    Begun,
    #[event(alias = "account.begun")]
    Started,
    #[event(alias = "account.closed", alias = "account.ended", alias = "account.ended")]
    Closed,
    #[event(rename = "account.ended")]
    Ended,
    #[event(alias = "account.renamed_twice")]
    Renamed,
    RenamedTwice,
}

fn main() {}

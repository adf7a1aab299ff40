use es_core::{Aggregate, Command, Context, Event, Handle, IntoEvents};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Aggregate, Default)]
#[aggregate(id = String, event = AccountEvent, apply = go)]
struct Account;

fn go(_: &mut Account, _: AccountEvent) {}

#[derive(Event, Serialize, Deserialize)]
#[event(category = "order")]
enum OrderEvent {
    Placed,
}

#[derive(Clone, Command)]
#[command(aggregate = Account)]
struct Open {
    id: String,
}

impl Handle<Open> for Account {
    type Error = std::io::Error;
    fn handle(&self, _: Open, _: &Context) -> Result<impl IntoEvents<AccountEvent>, std::io::Error> {
        Ok(OrderEvent::Placed)
    }
}

fn main() {}

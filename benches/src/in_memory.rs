//! By hand in memory: a map, and serde.

use std::collections::HashMap;

use crate::Result;
use crate::by_hand::{decode, encode};
use crate::domain::{AccountEvent, Balance};
use crate::ledger::{Ledger, Standing};

/// No ids, no metadata, no times, no log, no lock: the floor.
#[derive(Default)]
pub(crate) struct PlainMap(HashMap<String, Vec<Stored>>);

struct Stored {
    name: &'static str,
    payload: String,
}

impl PlainMap {
    fn push(&mut self, id: &str, event: &AccountEvent) -> Result<()> {
        let (name, payload) = encode(event)?;
        if let Some(events) = self.0.get_mut(id) {
            events.push(Stored { name, payload });
        } else {
            self.0.insert(id.to_owned(), vec![Stored { name, payload }]);
        }
        Ok(())
    }

    fn fold(&self, id: &str) -> Result<(u64, Balance)> {
        let events = self.0.get(id).map_or(&[][..], Vec::as_slice);
        let mut state = Balance::default();
        for event in events {
            state.apply(decode(event.name, &event.payload)?);
        }
        Ok((events.len() as u64, state))
    }
}

impl Ledger for PlainMap {
    async fn append(&mut self, id: &str, events: Vec<AccountEvent>) -> Result<u64> {
        events.iter().try_for_each(|event| self.push(id, event))?;
        Ok(events.len() as u64)
    }

    async fn deposit(&mut self, id: &str, amount: u64) -> Result<Standing> {
        let (version, mut state) = self.fold(id)?;
        let event = state.deposit(amount)?;
        self.push(id, &event)?;
        state.apply(event);
        Ok(Standing::new(version + 1, &state))
    }

    async fn load(&mut self, id: &str) -> Result<Standing> {
        let (version, state) = self.fold(id)?;
        Ok(Standing::new(version, &state))
    }
}

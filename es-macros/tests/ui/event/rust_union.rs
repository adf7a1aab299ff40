use es_core::Event;

#[derive(Event)]
#[event(category = "account")]
union AccountEvent {
    opened: u8,
}

fn main() {}

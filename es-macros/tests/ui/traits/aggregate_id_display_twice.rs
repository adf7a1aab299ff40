use es_core::AggregateId;

#[derive(AggregateId, Clone, Debug)]
struct Iban(String);

impl std::fmt::Display for Iban {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

fn main() {}

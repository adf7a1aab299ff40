use es_core::AggregateId;

#[derive(AggregateId, Clone, Debug)]
struct Temperature(f64);

fn main() {}

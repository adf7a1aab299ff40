use es_core::AggregateId;

#[derive(AggregateId, Clone, Debug)]
struct AccountId<T>(T);

fn main() {}

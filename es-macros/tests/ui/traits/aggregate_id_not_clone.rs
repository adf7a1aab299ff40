use es_core::AggregateId;

#[derive(AggregateId)]
struct AccountId(u64);

fn main() {}

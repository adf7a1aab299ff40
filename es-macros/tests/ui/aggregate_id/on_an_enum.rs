use es_core::AggregateId;

#[derive(AggregateId, Clone, Debug)]
enum AccountId {
    Number(u64),
}

fn main() {}

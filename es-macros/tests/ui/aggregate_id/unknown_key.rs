use es_core::AggregateId;

#[derive(AggregateId, Clone, Debug)]
#[aggregate_id(no_dispaly)]
struct AccountId(#[aggregate_id(transparent)] u64);

fn shown(id: AccountId) -> String {
    id.to_string()
}

fn main() {}

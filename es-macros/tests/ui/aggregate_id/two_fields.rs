use es_core::AggregateId;

#[derive(AggregateId, Clone, Debug)]
struct SeatId(u16, u16);

#[derive(AggregateId, Clone, Debug)]
struct NoId;

fn main() {}

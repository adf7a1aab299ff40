#[automatically_derived]
impl ::es_core::Aggregate for Order {
    type Id = OrderId;
    type Event = OrderEvent;
    fn apply(&mut self, __event: OrderEvent) {
        ::es_core::Dispatch::dispatch(__event, self)
    }
    fn snapshots() -> ::es_core::Snapshots<Self> {
        ::es_core::Snapshots::every(100).state_version(2)
    }
    fn caching() -> ::es_core::Caching<Self> {
        ::es_core::Caching::cloned()
    }
}

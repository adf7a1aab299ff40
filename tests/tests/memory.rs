use es_memory::MemoryStore;
es_core::conformance_tests!(async { MemoryStore::new() });

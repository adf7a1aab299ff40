//! What is documented is what is served.

use std::collections::{BTreeMap, BTreeSet};

use es_memory::MemoryStore;
use order::http::{document, routes};
use serde_json::Value;

use crate::served::in_memory;

/// Of each path, the methods.
type Routes = BTreeMap<String, BTreeSet<String>>;

fn documented() -> Routes {
    let document = serde_json::to_value(document()).unwrap();
    let methods = |item: &Value| item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
    document["paths"].as_object().unwrap().iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

/// axum says which methods there are to whoever comes with another.
async fn served() -> Routes {
    let shop = in_memory().await;
    let mut served = Routes::new();
    for (path, _) in routes::<MemoryStore>() {
        let somewhere = path.replace("{id}", "o1").replace("{sku}", "cup").replace("{correlation}", "c1");
        let answer = shop.client.request("BREW".parse().unwrap(), somewhere).send().await.unwrap();
        assert_eq!(answer.status, 405, "{path}");
        // Each GET is a HEAD as well.
        let methods = answer.header("allow").unwrap().split(',').filter(|method| *method != "HEAD").map(str::to_owned);
        served.insert(path.to_owned(), methods.collect());
    }
    served
}

#[tokio::test]
async fn what_is_served_is_documented_and_nothing_else() {
    assert_eq!(served().await, documented());
}

#[tokio::test]
async fn the_document_and_the_page_are_served() {
    let shop = in_memory().await;
    let answer = shop.get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json(), serde_json::to_value(document()).unwrap());
    let page = shop.get("/").await;
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(page.header("content-type").unwrap().starts_with("text/html") && text.contains("openapi.json"));
    for elsewhere in ["http://", "https://", "src=", "@import"] {
        assert!(!text.contains(elsewhere), "the page needs something from elsewhere: {elsewhere}");
    }
}

#[test]
fn every_operation_says_what_it_takes_and_what_it_answers() {
    let document = serde_json::to_value(document()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let has = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
            assert!(operation["summary"].is_string(), "{method} {path}");
            for named in path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
                assert!(has(named), "{method} {path}: {named}");
            }
            if method != "get" {
                for header in ["If-Match", "Idempotency-Key", "Prefer", "X-Client", "X-Correlation-Id", "traceparent"] {
                    assert!(has(header), "{method} {path}: {header}");
                }
                for status in ["400", "409", "412", "413", "415", "422", "503"] {
                    let problem = &operation["responses"][status]["content"]["application/problem+json"];
                    assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem", "{method} {path}: {status}");
                }
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = serde_json::to_value(document()).unwrap();
    let text = document.to_string();
    let references: Vec<_> = text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

//! What is documented is what is served.

use std::collections::{BTreeMap, BTreeSet};

use es_memory::MemoryStore;
use order::http::names::{MAX_PRICE, MAX_QUANTITY};
use order::http::{document, routes};
use serde_json::{Value, json};

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
                let reads = operation["requestBody"].is_object();
                let of_bodies = ["413", "415"].into_iter().filter(|_| reads);
                assert_eq!(operation["responses"]["413"].is_object(), reads, "{method} {path}");
                for status in ["400", "409", "412", "422", "500", "503"].into_iter().chain(of_bodies) {
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

#[test]
fn limits_and_headers_are_those_that_are_kept() {
    let document = serde_json::to_value(document()).unwrap();
    let schema = |name: &str| &document["components"]["schemas"][name];
    assert_eq!((&schema("Quantity")["minimum"], &schema("Quantity")["maximum"]), (&json!(1), &json!(MAX_QUANTITY)));
    assert_eq!((&schema("Price")["minimum"], &schema("Price")["maximum"]), (&json!(0), &json!(MAX_PRICE)));
    assert_eq!(schema("Name")["pattern"], "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$");
    for named in ["id", "sku", "customer", "after", "X-Client"] {
        let parameters = document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap());
        let parameters = parameters.flat_map(|(_, operation)| operation["parameters"].as_array().into_iter().flatten());
        for parameter in parameters.filter(|parameter| parameter["name"] == named) {
            assert!(parameter["schema"].to_string().contains("#/components/schemas/Name"), "{parameter}");
        }
    }
    for (path, status, headers) in [
        ("/orders", "201", vec!["ETag", "Idempotency-Replayed", "Location", "Preference-Applied", "X-Correlation-Id"]),
        ("/orders/{id}/cancel", "202", vec!["ETag", "Idempotency-Replayed", "Not-Visible", "X-Correlation-Id"]),
        ("/stock/{sku}/receipts", "412", vec!["ETag", "X-Correlation-Id"]),
        ("/orders/{id}/lines", "503", vec!["Retry-After", "X-Correlation-Id"]),
    ] {
        let said = &document["paths"][path]["post"]["responses"][status]["headers"];
        assert_eq!(said.as_object().unwrap().keys().collect::<Vec<_>>(), headers, "{path} {status}");
    }
    let stock = &document["paths"]["/stock/{sku}/receipts"]["post"]["responses"]["409"];
    assert!(!stock["description"].as_str().unwrap().contains("draft"), "{stock}");
}

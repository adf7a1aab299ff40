//! The list of orders, a page at a time.

use es_core::ReadModelStore;
use order::client::Client;
use serde_json::{Value, json};

use crate::served::{Served, line};

on_both! {
    every_order_is_on_one_page_while_others_are_placed
    only_what_is_asked_for_is_listed
}

async fn place(client: Client, id: String, customer: &str) {
    let order = json!({ "id": id, "customer": customer, "lines": [line("cup", 1)] });
    let placed = client.post("/orders").json(&order).send().await.unwrap();
    assert_eq!(placed.status, 201);
}

fn ids(page: &Value) -> Vec<String> {
    page["orders"].as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap().to_owned()).collect()
}

/// Goes from page to page by the links, and does something else in between.
async fn all_pages<S: ReadModelStore>(
    shop: &Served<S>,
    first: &str,
    mut meanwhile: impl AsyncFnMut(usize),
) -> Vec<Vec<String>> {
    let (mut pages, mut path) = (Vec::new(), first.to_owned());
    loop {
        let answer = shop.get(&path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = answer.json();
        pages.push(ids(&page));
        let link = page["next"].as_str().map(|next| format!("<{next}>; rel=\"next\""));
        assert_eq!(answer.header("link"), link.as_deref());
        let Some(next) = page["next"].as_str() else { return pages };
        path = next.to_owned();
        meanwhile(pages.len()).await;
    }
}

async fn every_order_is_on_one_page_while_others_are_placed<S: ReadModelStore>(shop: &mut Served<S>) {
    let name = |number: usize| format!("o{number:03}");
    for number in 0..100 {
        place(shop.client, name(number), "ada").await;
    }
    shop.once("/orders?limit=100", |page| ids(page).len() == 100).await;
    let client = shop.client;
    let pages = all_pages(shop, "/orders?limit=7", async |page| {
        // Some before where the reader is, some behind it.
        for (place_in_list, number) in [("a", page), ("o05", page), ("z", page)] {
            place(client, format!("{place_in_list}-new-{number}"), "bob").await;
        }
    })
    .await;
    assert!(pages.iter().rev().skip(1).all(|page| page.len() == 7), "{pages:?}");
    let seen = pages.concat();
    assert!(seen.is_sorted() && seen.windows(2).all(|two| two[0] != two[1]), "{seen:?}");
    let of_the_hundred: Vec<_> = seen.into_iter().filter(|id| !id.contains("new")).collect();
    assert_eq!(of_the_hundred, (0..100).map(name).collect::<Vec<_>>());
    shop.is_consistent().await;
}

async fn only_what_is_asked_for_is_listed<S: ReadModelStore>(shop: &mut Served<S>) {
    for number in 0..12 {
        place(shop.client, format!("o{number:02}"), if number % 2 == 0 { "ada" } else { "bob" }).await;
    }
    for number in [2, 3, 4] {
        let cancel = shop.client.post(format!("/orders/o{number:02}/cancel")).header("Prefer", "wait=10");
        assert_eq!(cancel.send().await.unwrap().status, 200);
    }
    let pages = |query: &'static str| all_pages(shop, query, async |_| {});
    assert_eq!(pages("/orders?status=cancelled").await, [["o02", "o03", "o04"]]);
    assert_eq!(pages("/orders?status=cancelled&customer=ada&limit=1").await, [["o02"], ["o04"]]);
    assert_eq!(
        pages("/orders?customer=bob&status=draft&limit=3").await,
        [vec!["o01", "o05", "o07"], vec!["o09", "o11"]]
    );
    assert_eq!(pages("/orders?customer=nobody").await, [Vec::<String>::new()]);
    assert_eq!(pages("/orders?after=o09").await, [["o10", "o11"]]);
}

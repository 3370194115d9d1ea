//! Questions over the topics: `kill -9` in between, and each has exactly one answer in the log.

use crate::support::{Server, run};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use vitrina_server::config::Settings;
use vitrina_server::ports::Stores;
use vitrina_types::answer::Impression;
use vitrina_types::partition::Partition;
use vitrina_types::stored;
use vitrina_types::topic::Topic;

/// Kills while questions are answered.
const KILLS: usize = 8;
/// Questions in one call.
const QUESTIONS: usize = 200;

fn fill(server: &Server) {
    let product =
        |n: usize| json!({"product_id": format!("p{n}"), "title": format!("Product {n}")});
    let products: Vec<Value> = (0..50).map(product).collect();
    let body = json!(products).to_string();
    let written = server.call("POST", "/v1/products:batch", body.as_bytes());
    assert_eq!(written.status, 200, "{}", written.text());
}

fn questions(round: usize) -> Vec<Value> {
    let question = |n: usize| json!({"request_id": format!("q{round}-{n}"), "user_id": format!("u{}", n % 37), "limit": 3});
    (0..QUESTIONS).map(question).collect()
}

/// Answers of the log, by question.
fn answers(directory: &Path) -> HashMap<String, Vec<Impression>> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let settings = Settings {
            data_dir: directory.to_owned(),
            ..Settings::default()
        };
        let stores = Stores::open(&settings).unwrap();
        let log = stores.ports().log;
        let topic = Topic::RecommendationsResults;
        let mut found = HashMap::<String, Vec<Impression>>::new();
        let mut from = log.bounds(topic, Partition(0)).start;
        loop {
            let records = log.read(topic, Partition(0), from, 1 << 20).await.unwrap();
            let Some(last) = records.last() else { break };
            from = last.offset + 1;
            for record in &records {
                let answer: Impression = stored::decode(&record.bytes).unwrap();
                if let Some(id) = answer.request_id.clone() {
                    found.entry(id.to_string()).or_default().push(answer);
                }
            }
        }
        let closed = tokio::task::spawn_blocking(move || stores.close());
        closed.await.unwrap().unwrap();
        found
    })
}

#[test]
fn each_question_has_one_answer_whenever_the_server_is_killed() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("data");
    let mut server = Server::start(&directory);
    fill(&server);
    for round in 0..KILLS {
        let body = json!(questions(round)).to_string();
        let asked = server.call("POST", "/v1/requests", body.as_bytes());
        assert_eq!(asked.status, 202, "{}", asked.text());
        // The moment of the kill is chance on purpose: nothing is asserted about it.
        std::thread::sleep(Duration::from_millis(round as u64 * 3));
        server.kill();
        server = Server::start(&directory);
        if round % 2 == 0 {
            // Whoever does not know whether the call arrived asks again.
            let again = server.call("POST", "/v1/requests", body.as_bytes());
            assert_eq!(again.status, 202, "{}", again.text());
        }
    }
    let mut told = HashMap::new();
    for round in 0..KILLS {
        for question in questions(round) {
            let id = question["request_id"].as_str().unwrap().to_owned();
            let answer = server.get(&format!("/v1/requests/{id}?wait=15s"));
            assert_eq!(answer["request_id"], *id);
            assert_eq!(answer["user_id"], question["user_id"]);
            assert_eq!(answer["items"].as_array().unwrap().len(), 3);
            told.insert(id, answer["slate_id"].as_str().unwrap().to_owned());
        }
    }
    // Questions asked twice stand behind all others: with their fence everything is read.
    let fence = server.call("POST", "/v1/requests", b"{\"request_id\":\"fence\"}");
    assert_eq!(fence.status, 202);
    server.get("/v1/requests/fence?wait=15s");
    server.stop();

    let mut found = answers(&directory);
    assert_eq!(found.remove("fence").map(|all| all.len()), Some(1));
    assert_eq!(found.len(), KILLS * QUESTIONS);
    for (id, all) in &found {
        assert_eq!(all.len(), 1, "{id} was answered {} times", all.len());
        assert_eq!(told[id], all[0].slate_id.to_string(), "{id}");
    }
}

#[test]
fn a_command_waits_for_the_answer_to_its_question() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("data");
    let data = directory.to_str().unwrap();
    let server = Server::start(&directory);
    fill(&server);
    let ask = |more: &[&str]| {
        let line = [&["recommend", "u1", "--wait", "--data-dir", data], more].concat();
        let output = run(&line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    };
    let answer: Value = serde_json::from_str(&ask(&["--json", "--limit", "4"])).unwrap();
    assert_eq!(answer["user_id"], "u1");
    assert_eq!(answer["items"].as_array().unwrap().len(), 4);
    assert!(answer["items"][0]["product"]["title"].is_string());
    let text = ask(&["--timeout", "5s"]);
    assert!(
        text.contains("Product ") && text.contains("--data-dir"),
        "{text}"
    );
    server.stop();
    let text = ask(&[]);
    assert!(text.contains("Product "), "without a server: {text}");
}

//! What crosses the crates of this workspace: the conformance suite on both stores, mistakes and their messages, and every
//! snippet of the guide and of the front page, compiled and run as a doc test.
//!
//! A page whose snippets no longer hold fails `cargo test -p es-tests --doc`, and says in which line of which page.

/// Makes the snippets of each page doc tests.
macro_rules! pages {
    ($($name:ident: $path:literal)*) => {
        $(
            #[doc = include_str!($path)]
            mod $name {}
        )*

        /// The pages, so that none is forgotten.
        #[cfg(test)]
        const PAGES: &[&str] = &[$($path),*];
    };
}

pages! {
    front_page: "../../README.md"
    contents: "../../docs/guide/README.md"
    events: "../../docs/guide/01-events.md"
    aggregates: "../../docs/guide/02-aggregates.md"
    commands: "../../docs/guide/03-commands.md"
    executing: "../../docs/guide/04-executing.md"
    evolution: "../../docs/guide/05-evolution.md"
    snapshots: "../../docs/guide/06-snapshots.md"
    testing: "../../docs/guide/07-testing.md"
    the_log: "../../docs/guide/08-the-log.md"
    documents: "../../docs/guide/09-documents.md"
    projectors: "../../docs/guide/10-projectors.md"
    the_runner: "../../docs/guide/11-the-runner.md"
    failures: "../../docs/guide/12-failures.md"
    rebuilds: "../../docs/guide/13-rebuilds.md"
    your_own_writes: "../../docs/guide/14-your-own-writes.md"
    inline: "../../docs/guide/15-inline.md"
    watching: "../../docs/guide/16-watching.md"
    postgres: "../../docs/guide/17-postgres.md"
    metadata: "../../docs/guide/18-metadata.md"
    your_own_store: "../../docs/guide/19-your-own-store.md"
    idempotency: "../../docs/guide/20-idempotency.md"
    reactors: "../../docs/guide/21-reactors.md"
    http: "../../docs/guide/22-http.md"
    order: "../../docs/guide/23-order.md"
    moving_in: "../../docs/guide/24-moving-in.md"
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::PAGES;

    /// A chapter that is not listed above would have snippets that nobody compiles.
    #[test]
    fn every_chapter_is_a_page() {
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide");
        for file in guide.read_dir().unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(PAGES.iter().any(|page| page.ends_with(&format!("/guide/{name}"))), "{name} is not a page");
        }
    }

    /// What a page points to must be there: the file, and the heading in it.
    #[test]
    fn every_link_inside_the_repository_leads_somewhere() {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let pages = PAGES.iter().chain(&["../../docs/DESIGN.md", "../../docs/ARCHITECTURE.md"]);
        let broken: Vec<String> = pages.flat_map(|page| broken_links(&src.join(page))).collect();
        assert!(broken.is_empty(), "these lead nowhere:\n{}", broken.join("\n"));
    }

    fn broken_links(page: &Path) -> Vec<String> {
        let text = fs::read_to_string(page).unwrap();
        let inside = links(&text).filter(|link| !link.contains("://"));
        inside.filter(|link| !leads_somewhere(page, link)).map(|link| format!("{}: {link}", page.display())).collect()
    }

    fn leads_somewhere(page: &Path, link: &str) -> bool {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { page.to_owned() } else { page.parent().unwrap().join(file) };
        target.exists() && (heading.is_empty() || anchors(&target).iter().any(|anchor| anchor == heading))
    }

    fn links(text: &str) -> impl Iterator<Item = &str> {
        text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
    }

    /// The headings of a page, as GitHub makes anchors of them.
    fn anchors(page: &Path) -> Vec<String> {
        let text = fs::read_to_string(page).unwrap();
        let headings =
            text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
        headings
            .map(|heading| {
                let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
                kept.collect::<String>().to_lowercase().replace(' ', "-")
            })
            .collect()
    }
}

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
    postgres: "../../docs/guide/09-postgres.md"
    metadata: "../../docs/guide/10-metadata.md"
    your_own_store: "../../docs/guide/11-your-own-store.md"
}

#[cfg(test)]
mod tests {
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

    /// Chapters, and what they point to, must be there.
    #[test]
    fn every_link_inside_the_repository_leads_somewhere() {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        for page in PAGES.iter().chain(&["../../docs/DESIGN.md", "../../docs/ARCHITECTURE.md"]) {
            let text = std::fs::read_to_string(src.join(page)).unwrap();
            let folder = src.join(page).parent().unwrap().to_owned();
            let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
            for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
                assert!(folder.join(target).exists(), "{page} points to {target}, which is not there");
            }
        }
    }
}

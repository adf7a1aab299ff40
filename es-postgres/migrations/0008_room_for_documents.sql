-- Room for documents: each one finds a place for its next form on its own page.
--
-- A batch writes a document anew, and its last form is cleared away only when nobody can see it any more. Where the page has no
-- room meanwhile, the new form goes to another one, and each index of the table has to learn of it. So half of each page is left
-- free, where a fifth was before. A table whose documents change is not larger for it, but smaller: with a fifth it grew to
-- twice the pages, which then had room, too.

CREATE OR REPLACE FUNCTION {schema}.make_documents(of_name text, of_version bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    doc text := format('doc_%s_v%s', of_name, of_version);
BEGIN
    IF to_regclass(format('{schema}.%I', doc)) IS NULL AND of_name ~ '^[a-z][a-z0-9_]{0,39}$' THEN
        EXECUTE format('CREATE TABLE IF NOT EXISTS {schema}.%I (key text NOT NULL COLLATE "C", body json NOT NULL, '
                       'CONSTRAINT %I PRIMARY KEY (key)) WITH (fillfactor = 50)', doc, doc || '_pk');
        PERFORM {schema}.grant_alike(doc, ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
    END IF;
END $$;

-- Those that are there leave more room where they write next.
DO $$
DECLARE
    doc text;
BEGIN
    FOR doc IN SELECT format('doc_%s_v%s', p.name, p.version) FROM {schema}.projections p WHERE p.kind = 'documents' LOOP
        EXECUTE format('ALTER TABLE IF EXISTS {schema}.%I SET (fillfactor = 50)', doc);
    END LOOP;
END $$;

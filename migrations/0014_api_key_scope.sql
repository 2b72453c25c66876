-- 0010 named the rights to scripts anew in roles, and forgot what keys were limited to: such a key opened nothing.

UPDATE api_key SET scope = REPLACE(REPLACE(scope, '"script.read"', '"library.read"'), '"script.write"', '"library.write"')
    WHERE scope IS NOT NULL;

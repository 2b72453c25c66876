// An OpenID provider for tests of single sign-on: `node server.mjs CLIENT_ID CLIENT_SECRET REDIRECT_URI`.
// It says `listening ISSUER` and then takes one line of JSON at a time, which replaces its accounts:
// {"alice": {"email": "…", "email_verified": true, "name": "…", "groups": ["…"]}}. Each is answered with `ok`.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

const [clientId, clientSecret, redirectUri] = process.argv.slice(2);
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' };
let accounts = {};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
    scopes: ['openid', 'email', 'profile', 'groups'],
    findAccount: async (_, id) => accounts[id] && {
      accountId: id,
      claims: async () => ({ sub: id, ...accounts[id] }),
    },
    features: { devInteractions: { enabled: true } },
    pkce: { required: () => true },
    cookies: { keys: ['only for tests'] },
    jwks: { keys: [key] },
  });
  server.on('request', provider.callback());
  console.log(`listening ${issuer}`);
});

createInterface({ input: process.stdin }).on('line', (line) => {
  accounts = JSON.parse(line);
  console.log('ok');
}).on('close', () => process.exit(0));

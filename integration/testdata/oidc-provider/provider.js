// An OpenID provider, run by integration/provider_node_test.go.
//
//	node provider.js settings.json
//
// It signs in whoever is in settings.accounts by name, whatever the password. Each start adds a new key of every kind before
// those of the starts before, so that a restart is a rotation: what was signed before can still be verified.
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));

function rotate(file) {
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];
  const fresh = [['rsa', { modulusLength: 2048 }, 'RS256'], ['ec', { namedCurve: 'P-256' }, 'ES256']].map(([type, options, alg]) => ({
    ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg}-${before.length}`,
  }));
  const all = [...fresh, ...before];
  writeFileSync(file, JSON.stringify(all), { mode: 0o600 });
  return all;
}

const provider = new Provider(settings.issuer, {
  clients: settings.clients,
  jwks: { keys: rotate(settings.keys) },
  cookies: { keys: ['only for tests'] },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'HS256'] },
  pkce: { required: () => true },
  conformIdTokenClaims: !settings.claimsInIDToken,
  claims: { openid: ['sub', 'userName', 'tenant', 'role', 'organizationCode', 'name'] },
  features: { backchannelLogout: { enabled: true }, jwtUserinfo: { enabled: true } },
  async findAccount(_ctx, id) {
    const claims = settings.accounts[id];
    return claims && { accountId: id, claims: async () => ({ sub: id, ...claims }) };
  },
  async loadExistingGrant(ctx) { // nobody is asked for consent: the clients are the enterprise's own
    const { client, session, provider: { Grant } } = ctx.oidc;
    const grant = new Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid');
    await grant.save();
    return grant;
  },
});
for (const event of ['server_error', 'backchannel.error', 'authorization.error', 'grant.error']) {
  provider.on(event, (...args) => console.error(event, ...args.filter((arg) => arg instanceof Error)));
}
process.on('SIGTERM', () => process.exit(0));
provider.listen(settings.port, '127.0.0.1', () => console.log('listening'));

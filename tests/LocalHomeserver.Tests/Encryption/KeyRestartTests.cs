namespace LocalHomeserver.Tests;

internal sealed class KeyRestartTests
{
    private readonly string _data = Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName;

    [OneTimeTearDown]
    public void Delete() => Directory.Delete(_data, recursive: true);

    [TestCase("sqlite")]
    [TestCase("postgresql")]
    public async Task R50_keys_signatures_and_what_a_client_was_told_are_there_after_a_restart(string store)
    {
        string[] settings = store == "sqlite" ? ["--Data", _data] : [PostgreSql.Setting, PostgreSql.NewDatabase()];
        TestDevice alice, bob;
        TestIdentity identity;
        string since;
        await using (var server = await Homeserver.StartAsync(store, settings))
        {
            alice = await server.RegisterAsync("PHONE");
            bob = await server.RegisterAsync("LAPTOP");
            await alice.QueryAsync(bob.UserId);
            since = (await alice.SyncAsync()).NextBatch;
            var key = await bob.UploadIdentityAsync();
            identity = await bob.UploadCrossSigningAsync();
            var signed = TestKeys.SignAnew(TestKeys.DeviceKeys(bob, key), bob.UserId, identity.SelfSigning);
            (await bob.TrySignAsync(bob.UserId, "LAPTOP", signed)).Ok();
            await bob.UploadOneTimeKeysAsync("A", "B");
            await bob.UploadFallbackKeyAsync("F");
            Assert.That(await alice.ClaimAsync(bob), Is.EqualTo("A"));
        }

        await using (var server = await Homeserver.StartAsync(store, settings))
        {
            (alice, bob) = (alice.At(server), bob.At(server));
            Assert.That((await alice.SyncAsync(since)).Changed(), Is.EqualTo(new[] { bob.UserId }));
            Assert.That((await bob.SyncAsync()).Count(), Is.EqualTo(1));
            Assert.That(await alice.ClaimAsync(bob), Is.EqualTo("B"));
            Assert.That(await alice.ClaimAsync(bob), Is.EqualTo("F"));

            var answer = await alice.QueryAsync(bob.UserId);
            var laptop = answer.GetProperty("device_keys").GetProperty(bob.UserId).GetProperty("LAPTOP");
            Assert.That(laptop.GetProperty("signatures").GetProperty(bob.UserId).Has(identity.SelfSigning.KeyId), Is.True);
            Assert.That(answer.GetProperty("master_keys").GetProperty(bob.UserId).GetProperty("keys").Has(identity.Master.KeyId), Is.True);
        }
    }
}

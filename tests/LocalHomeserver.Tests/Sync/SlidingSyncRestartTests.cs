namespace LocalHomeserver.Tests;

/// <summary>A connection is remembered by its client: it goes on after a restart, and on another host.</summary>
internal sealed class SlidingSyncRestartTests
{
    private readonly string _data = Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName;

    [OneTimeTearDown]
    public void Delete() => Directory.Delete(_data, recursive: true);

    [TestCase("sqlite")]
    [TestCase("postgresql", Category = "Slow")]
    public async Task R122_R127_pos_and_token_are_known_after_a_restart(string store)
    {
        string[] settings = store == "sqlite" ? ["--Data", _data] : [PostgreSql.Setting, PostgreSql.NewDatabase()];
        TestDevice sender, phone;
        string? pos, since;
        await using (var server = await Homeserver.StartAsync(store, settings))
        {
            (sender, phone) = (await server.RegisterAsync(), await server.RegisterAsync("PHONE"));
            var client = new SlidingClient(server, phone, SlidingPath.Experimental);
            await sender.SendAsync(phone, "one");
            Assert.That((await client.SyncAsync()).Texts, Is.EqualTo(new[] { "one" }));
            (pos, since) = (client.Pos, client.Since);
            await sender.SendAsync(phone, "two");
        }

        await using (var server = await Homeserver.StartAsync(store, settings))
        {
            var client = new SlidingClient(server, phone, SlidingPath.Experimental) { Pos = pos, Since = since };
            await phone.At(server).UploadIdentityAsync();

            var reply = await client.SyncAsync();

            Assert.That(reply.Texts, Is.EqualTo(new[] { "two" }));
            Assert.That(reply.Changed, Is.EqualTo(new[] { phone.UserId }));
        }
    }
}

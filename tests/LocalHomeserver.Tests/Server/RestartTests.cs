namespace LocalHomeserver.Tests;

internal sealed class RestartTests
{
    private readonly string _data = Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName;

    [OneTimeTearDown]
    public void Delete() => Directory.Delete(_data, recursive: true);

    [TestCase("sqlite")]
    [TestCase("postgresql")]
    public async Task R46_R50_accounts_tokens_messages_and_transactions_are_there_after_a_restart(string store)
    {
        string[] settings = store == "sqlite" ? ["--Data", _data] : [PostgreSql.Setting, PostgreSql.NewDatabase()];
        string alice, bob, receiver, since;
        await using (var server = await Homeserver.StartAsync(store, settings))
        {
            var sender = await server.RegisterAsync("PHONE");
            var recipient = await server.RegisterAsync("LAPTOP");
            (alice, bob, receiver) = (sender.Token, recipient.Token, recipient.UserId);
            since = (await Sync(server, bob)).Ok().String("next_batch");
            (await Send(server, alice, receiver)).Ok();
        }

        await using (var server = await Homeserver.StartAsync(store, settings))
        {
            (await Send(server, alice, receiver)).Ok();
            var events = (await Sync(server, bob, since)).Ok().GetProperty("to_device").GetProperty("events");
            Assert.That(events.GetArrayLength(), Is.EqualTo(1));
        }
    }

    private static Task<Reply> Send(Homeserver server, string token, string userId) => server.SendAsync(
        "PUT", "/_matrix/client/v3/sendToDevice/m.dummy/txn1", $$"""{"messages":{"{{userId}}":{"*":{"n":1} } } }""", token);

    private static Task<Reply> Sync(Homeserver server, string token, string? since = null) =>
        server.SendAsync("GET", "/_matrix/client/v3/sync" + (since is null ? "" : $"?since={since}"), token: token);
}

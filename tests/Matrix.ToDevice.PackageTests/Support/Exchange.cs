using System.Net;

namespace Matrix.ToDevice.Tests;

/// <summary>What a server that adopted the packages has to do.</summary>
internal static class Exchange
{
    /// <summary>Two messages, one of them sent twice; the server is killed before either was acknowledged, and once more behind that.</summary>
    public static async Task OverARestartAsync(App app, string store, string connectionString = "")
    {
        var data = Packed.NewFolder($"data of {app.Name} {Path.GetRandomFileName()}");
        string since;
        await using (var server = await RunningApp.StartAsync(app, data, store, connectionString))
        {
            for (var n = 0; n < 2; n++) Assert.That(await server.SendToBobAsync("t1", """{"n":1}"""), Is.EqualTo(HttpStatusCode.OK));
            Assert.That(await server.SendToBobAsync("t2", """{"n":2}"""), Is.EqualTo(HttpStatusCode.OK));
            Assert.That((await server.SyncBobAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""", """{"n":2}""" }));
        }

        await using (var server = await RunningApp.StartAsync(app, data, store, connectionString))
        {
            Assert.That(await server.SendToBobAsync("t1", """{"n":1}"""), Is.EqualTo(HttpStatusCode.OK));
            (var contents, since) = await server.SyncBobAsync();
            Assert.That(contents, Is.EqualTo(new[] { """{"n":1}""", """{"n":2}""" }), "as before the restart");
            Assert.That((await server.SyncBobAsync(since)).Contents, Is.Empty, "once acknowledged");
        }

        await using (var server = await RunningApp.StartAsync(app, data, store, connectionString))
        {
            Assert.That((await server.SyncBobAsync(since)).Contents, Is.Empty);
            Assert.That((await server.SyncBobAsync()).Contents, Is.Empty, "and gone for good");
        }
    }
}

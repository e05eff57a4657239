using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Matrix.ToDevice.Tests;

/// <summary>The server removes dot segments before anybody sees them: what the module puts right must not touch others.</summary>
public class DotSegmentTests
{
    [TestCase("/files/a/..", "/files/")]
    [TestCase("/a/sendToDevice/../x", "/a/x")]
    [TestCase("/../sendToDevice/a/b", "/sendToDevice/a/b")]
    [TestCase("/x/../_matrix/client/v3/sendToDevice/m.test/..", "/_matrix/client/v3/sendToDevice/")]
    public async Task D2_the_paths_of_other_endpoints_stay_as_the_server_made_them(string target, string path)
    {
        var seen = new TaskCompletionSource<string?>();
        await using var server = await TestHomeserver.StartAsync(pipeline: app => app.Run(context =>
        {
            seen.SetResult(context.Request.Path.Value);
            return context.Response.CompleteAsync();
        }));

        using var connection = await RawConnection.OpenAsync(server.Address);
        await connection.WriteAsync($"GET {target} HTTP/1.1\r\nHost: hs1\r\n\r\n");

        Assert.That(await seen.Task, Is.EqualTo(path));
    }

    [TestCase("/_matrix/client/v3/sendToDevice/m.test/..")]
    [TestCase("http://hs1/_matrix/client/v3/sendToDevice/m.test/..")]
    [TestCase("/_matrix/client/v3/sendToDevice/../%2e")]
    public async Task D2_dots_work_behind_a_path_base_and_in_absolute_form(string target)
    {
        await using var server = await TestHomeserver.StartAsync(pipeline: app =>
        {
            app.UsePathBase("/base");
            app.UseRouting();
            app.MapSendToDevice();
        });
        var token = server.Devices.Add("@alice:hs1", "A1");
        foreach (var path in new[] { target, target.Replace("/_matrix", "/base/_matrix", StringComparison.Ordinal) })
        {
            using var connection = await RawConnection.OpenAsync(server.Address);
            await connection.WriteAsync(RawConnection.Put(path, token, """{"messages":{"@alice:hs1":{"*":{}}}}"""));
            (await connection.ReadResponseAsync())!.ShouldBeAccepted();
        }

        using var batch = await server.ToDevice.NextAsync(new DeviceAddress("@alice:hs1", "A1"), null, TimeSpan.Zero, default);
        Assert.That(batch.Events, Has.Count.EqualTo(1));
    }
}

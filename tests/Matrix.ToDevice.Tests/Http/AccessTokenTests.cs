using Microsoft.AspNetCore.Http;

namespace Matrix.ToDevice.Tests;

public class AccessTokenTests : HttpTests
{
    [TestCase("Authorization: Bearer TOKEN")]
    [TestCase("Authorization: bearer TOKEN")]
    [TestCase("authorization: BEARER TOKEN")]
    [TestCase("Authorization: Bearer   TOKEN ")]
    public async Task R8_the_header_carries_the_token(string header)
    {
        (await PutAsync("", header)).ShouldBeAccepted();
    }

    [TestCase("")]
    [TestCase("Authorization: Bearer ")]
    [TestCase("Authorization: Basic dXNlcjpwYXNz")]
    public async Task R8_the_deprecated_query_parameter_carries_the_token(string header)
    {
        (await PutAsync("?access_token=TOKEN", header)).ShouldBeAccepted();
    }

    [Test]
    public async Task R8_the_header_counts_before_the_query()
    {
        (await PutAsync("?access_token=TOKEN", "Authorization: Bearer wrong")).ShouldBe(401, "M_UNKNOWN_TOKEN");
        (await PutAsync("?access_token=wrong", "Authorization: Bearer TOKEN")).ShouldBeAccepted();
    }

    [TestCase("", "")]
    [TestCase("", "Authorization: Bearer")]
    [TestCase("", "Authorization: Bearer ")]
    [TestCase("", "Authorization: Basic dXNlcjpwYXNz")]
    [TestCase("?access_token=", "")]
    [TestCase("?ACCESS=TOKEN", "")]
    public async Task R9_no_token_is_M_MISSING_TOKEN(string query, string header)
    {
        var response = await PutAsync(query, header);

        response.ShouldBe(401, "M_MISSING_TOKEN");
        Assert.That(await CountBobsMailAsync(), Is.Zero);
    }

    [TestCase("", "Authorization: Bearer wrong")]
    [TestCase("?access_token=wrong", "")]
    public async Task R9_an_unknown_token_is_M_UNKNOWN_TOKEN(string query, string header)
    {
        (await PutAsync(query, header)).ShouldBe(401, "M_UNKNOWN_TOKEN");
    }

    [Test]
    public void R8_a_host_of_a_later_specification_turns_the_query_parameter_off()
    {
        var context = new DefaultHttpContext();
        context.Request.QueryString = new QueryString("?access_token=TOKEN");

        Assert.That(MatrixAccessToken.Read(context), Is.EqualTo("TOKEN"));
        Assert.That(MatrixAccessToken.Read(context, allowQuery: false), Is.Null);
    }

    [TestCase("{", "m.test/t1")]
    [TestCase("""{"messages":1}""", "m.test/t1")]
    [TestCase("{}", "m.test/%FF")]
    public async Task D17_the_token_is_checked_before_the_rest_of_the_request(string body, string path)
    {
        var revoked = Server.Login(AuthResult.UnknownToken());
        using var connection = await RawConnection.OpenAsync(Server.Address);
        await connection.WriteAsync(RawConnection.Put(Endpoint + path, revoked.Token, body));

        (await connection.ReadResponseAsync())!.ShouldBe(401, "M_UNKNOWN_TOKEN");
    }

    [Test]
    public async Task D17_the_token_is_checked_before_the_size_of_the_body()
    {
        using var connection = await RawConnection.OpenAsync(Server.Address);
        await connection.WriteAsync($"PUT {Endpoint}m.test/t1 HTTP/1.1\r\nHost: hs1\r\nContent-Length: 99999999\r\n\r\n");

        (await connection.ReadResponseAsync())!.ShouldBe(401, "M_MISSING_TOKEN");
    }

    [Test]
    public async Task D17_a_revoked_token_learns_nothing_from_a_recorded_transaction()
    {
        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Server.Devices.Remove("@alice:hs1", "A1");

        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBe(401, "M_UNKNOWN_TOKEN");
        (await Alice.SendAsync("t2", "@bob:hs1", "B1")).ShouldBe(401, "M_UNKNOWN_TOKEN");
    }

    private async Task<TestResponse> PutAsync(string query, string header)
    {
        var head = $"PUT {Endpoint}m.test/t1{query} HTTP/1.1\r\nHost: hs1\r\n{header}".TrimEnd('\n', '\r');
        using var connection = await RawConnection.OpenAsync(Server.Address);
        var request = $"{head}\r\nContent-Length: {ToBob().Length}\r\n\r\n{ToBob()}";
        await connection.WriteAsync(request.Replace("TOKEN", Alice.Token, StringComparison.Ordinal));
        return (await connection.ReadResponseAsync())!;
    }
}

using System.Text;

namespace Matrix.ToDevice.Tests;

public class ContentTypeTests : HttpTests
{
    [TestCase("text/plain")]
    [TestCase("application/x-www-form-urlencoded")]
    [TestCase("multipart/form-data; boundary=x")]
    [TestCase("application/json; charset=utf-16")]
    [TestCase("not a media type")]
    public async Task R1_a_wrong_content_type_is_not_refused(string contentType)
    {
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(ToBob()));
        content.Headers.TryAddWithoutValidation("Content-Type", contentType);

        (await Alice.SendAsync(HttpMethod.Put, $"{Endpoint}m.test/t1", content)).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task R1_a_missing_content_type_is_not_refused()
    {
        (await PutBytesAsync(Encoding.UTF8.GetBytes(ToBob()))).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task R1_R4_a_body_is_needed()
    {
        (await Alice.SendAsync(HttpMethod.Put, $"{Endpoint}m.test/t1")).ShouldBe(400, "M_NOT_JSON");
    }

    [Test]
    public async Task R2_an_answer_is_JSON_whatever_the_client_says_it_accepts()
    {
        using var connection = await RawConnection.OpenAsync(Server.Address);
        await connection.WriteAsync($"PUT {Endpoint}m.test/t1 HTTP/1.1\r\nHost: hs1\r\nAccept: text/html\r\nContent-Length: 0\r\n\r\n");

        var response = await connection.ReadResponseAsync();

        response!.ShouldBe(401, "M_MISSING_TOKEN");
    }

    [Test]
    public async Task R2_R3_an_error_is_UTF8_JSON_with_its_length()
    {
        var response = await PutBytesAsync("{"u8.ToArray());

        response.ShouldBe(400, "M_NOT_JSON");
        Assert.That(response.Headers["Content-Length"], Is.EqualTo($"{Encoding.UTF8.GetByteCount(response.Body)}"));
        Assert.That(response.Json.Select(property => property.Key), Is.EqualTo(new[] { "errcode", "error" }));
    }
}

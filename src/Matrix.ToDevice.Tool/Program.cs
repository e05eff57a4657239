using System.CommandLine;
using System.CommandLine.Invocation;
using System.Text;
using Matrix.ToDevice.Tool;

// Strangers' text is any text.
Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
// A user ID is no file with more arguments.
var parsed = ToolCommands.Create().Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
if (parsed.Action is ParseErrorAction) return UsageErrors.Tell(parsed);
return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });

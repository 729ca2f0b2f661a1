// Stands for Node where there is none (a libc that no Node at hand is linked with): loads the addon named by its argument, lets it register, runs its cpuid.
// Every other Node-API name is a weak stub that names itself and aborts (see scripts/check-musl.mjs).
#include <dlfcn.h>
#include <node_api.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace {

// Values are whatever the host says: a pointer to one of these.
struct Value {
  std::string name;
  napi_callback function = nullptr;
  void* data = nullptr;
  double number = 0;
  std::vector<napi_value> arguments;
  std::vector<uint32_t> words;
};
std::map<std::string, Value*> properties;

napi_value make(Value value) { return reinterpret_cast<napi_value>(new Value(value)); }
Value& read(napi_value value) { return *reinterpret_cast<Value*>(value); }

}  // namespace

extern "C" {

napi_status napi_create_function(napi_env, const char* name, size_t, napi_callback function, void* data, napi_value* result) {
  *result = make({name ? name : "", function, data});
  return napi_ok;
}
napi_status napi_set_named_property(napi_env, napi_value, const char* name, napi_value value) {
  properties[name] = &read(value);
  return napi_ok;
}
napi_status napi_create_string_utf8(napi_env, const char* text, size_t, napi_value* result) {
  *result = make({text});
  return napi_ok;
}
napi_status napi_create_threadsafe_function(napi_env, napi_value, napi_value, napi_value, size_t, size_t, void*, napi_finalize, void*,
                                            napi_threadsafe_function_call_js, napi_threadsafe_function* result) {
  *result = reinterpret_cast<napi_threadsafe_function>(new Value());
  return napi_ok;
}
napi_status napi_unref_threadsafe_function(napi_env, napi_threadsafe_function) { return napi_ok; }
napi_status napi_set_instance_data(napi_env, void*, napi_finalize, void*) { return napi_ok; }
napi_status napi_add_finalizer(napi_env, napi_value, void*, napi_finalize, void*, napi_ref*) { return napi_ok; }
napi_status napi_get_cb_info(napi_env, napi_callback_info info, size_t* count, napi_value* values, napi_value*, void** data) {
  const Value& call = *reinterpret_cast<Value*>(info);
  if (values) for (size_t i = 0; i < *count && i < call.arguments.size(); i++) values[i] = call.arguments[i];
  if (count) *count = call.arguments.size();
  if (data) *data = call.data;
  return napi_ok;
}
napi_status napi_get_value_uint32(napi_env, napi_value value, uint32_t* result) {
  *result = static_cast<uint32_t>(read(value).number);
  return napi_ok;
}
napi_status napi_get_undefined(napi_env, napi_value* result) {
  *result = make({"undefined"});
  return napi_ok;
}
napi_status napi_create_arraybuffer(napi_env, size_t bytes, void** data, napi_value* result) {
  *result = make({});
  auto& words = read(*result).words;
  words.resize(bytes / 4);
  *data = words.data();
  return napi_ok;
}
napi_status napi_get_arraybuffer_info(napi_env, napi_value buffer, void** data, size_t* bytes) {
  auto& words = read(buffer).words;
  if (data) *data = words.data();
  if (bytes) *bytes = 4 * words.size();
  return napi_ok;
}
napi_status napi_create_typedarray(napi_env, napi_typedarray_type, size_t, napi_value buffer, size_t, napi_value* result) {
  *result = buffer;
  return napi_ok;
}

}  // extern "C"

int main(int, char** arguments) {
  void* addon = dlopen(arguments[1], RTLD_NOW);
  if (!addon) return std::printf("%s\n", dlerror()), 1;
  const auto start = reinterpret_cast<napi_addon_register_func>(dlsym(addon, "napi_register_module_v1"));
  if (!start) return std::printf("no entry\n"), 1;
  start(nullptr, make({"exports"}));
  const auto cpuid = properties.find("cpuid");
  if (cpuid == properties.end()) return std::printf("no cpuid among %zu functions\n", properties.size()), 1;
  Value call;
  call.data = cpuid->second->data;
  for (int i = 0; i < 2; i++) {
    call.arguments.push_back(make({}));
    read(call.arguments.back()).number = 0;
  }
  const auto& words = read(cpuid->second->function(nullptr, reinterpret_cast<napi_callback_info>(&call))).words;
  if (words.size() != 4 || words[0] == 0) return std::printf("cpuid answers nothing\n"), 1;
  char vendor[13] = {};
  for (int i = 0; i < 3; i++) std::memcpy(vendor + 4 * i, &words[std::vector<int>{1, 3, 2}[i]], 4);
  std::printf("%zu functions, processor %s\n", properties.size(), vendor);
  return 0;
}
